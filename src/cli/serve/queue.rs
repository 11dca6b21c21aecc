//! Requests that wait for the one thread that owns the model.
//!
//! The queue is bounded in texts. What waits is scored together, in passes of a bounded number of
//! tokens; each request gives one text to a pass in turn, so that a small request does not wait for
//! the end of a large one. Rewards do not depend on which texts share a pass.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::contract::{Asked, Scored};
use super::refusal::Refusal;
use crate::engine::scoring::{EncodedText, Text, encode_texts, encode_written, score_texts};
use crate::engine::{EngineError, RewardModel, WrittenText};

/// Tokens computed together: enough to fill the cores, few enough to bound the memory and the time
/// until the next requests join.
const TOKENS_OF_A_PASS: usize = 8192;
/// The longest time that a caller is told to wait before the next try.
const RETRY_MAX_S: u64 = 60;

/// What a request gets.
pub type Outcome = Result<Vec<Scored>, Refusal>;

/// A request that waits.
struct Job {
    asked: Vec<Asked>,
    reply: oneshot::Sender<Outcome>,
}

/// Requests that wait, and what is known of the ones that are computed.
pub struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Texts that may wait or be computed at a time.
    n_max: usize,
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    /// Texts of the requests that wait and of those that are computed.
    n_texts: usize,
    texts_per_s: f64,
    is_closed: bool,
}

impl Queue {
    /// A queue of at most so many texts.
    #[must_use]
    pub fn new(n_max: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), n_max }
    }

    /// Puts a request into the queue. Whoever drops the receiver gives the request up.
    ///
    /// # Errors
    /// When the queue is full or closed.
    pub fn submit(&self, asked: Vec<Asked>) -> Result<oneshot::Receiver<Outcome>, Refusal> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(Refusal::Stopping);
        }
        if state.n_texts + asked.len() > self.n_max {
            let (n_waiting, retry_after_s) = (state.n_texts as u64, state.retry_after_s());
            return Err(Refusal::Full { n_waiting, retry_after_s });
        }
        let (reply, outcome) = oneshot::channel();
        state.n_texts += asked.len();
        state.jobs.push(Job { asked, reply });
        self.wake.notify_one();
        Ok(outcome)
    }

    /// Takes no more requests; those that are there are still computed.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.wake.notify_one();
    }

    /// Texts that wait or are computed.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.lock().n_texts
    }

    /// In how many seconds there should be room again.
    #[must_use]
    pub fn retry_after_s(&self) -> u64 {
        self.lock().retry_after_s()
    }

    /// The requests that wait. Where nothing else is to be done, it waits for one; `None` when the
    /// queue is closed and empty.
    fn take(&self, is_idle: bool) -> Option<Vec<Job>> {
        let mut state = self.lock();
        while is_idle && state.jobs.is_empty() {
            if state.is_closed {
                return None;
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut state.jobs))
    }

    /// Makes room for the texts of a request that is over.
    fn release(&self, n_texts: usize) {
        let mut state = self.lock();
        state.n_texts = state.n_texts.saturating_sub(n_texts);
    }

    /// Remembers how fast a pass was; single passes differ, so the figure follows them slowly.
    fn measured(&self, n_texts: usize, time: Duration) {
        let rate = n_texts as f64 / time.as_secs_f64().max(1e-6);
        let mut state = self.lock();
        let is_first = state.texts_per_s == 0.0;
        state.texts_per_s = if is_first { rate } else { 0.8 * state.texts_per_s + 0.2 * rate };
    }

    /// A thread that panicked left nothing half-done here.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn retry_after_s(&self) -> u64 {
        if self.texts_per_s == 0.0 {
            return 1;
        }
        ((self.n_texts as f64 / self.texts_per_s).ceil() as u64).clamp(1, RETRY_MAX_S)
    }
}

/// A request that is computed.
struct Open {
    left: VecDeque<EncodedText>,
    done: Vec<Scored>,
    reply: oneshot::Sender<Outcome>,
    n_texts: usize,
}

/// Computes requests until the queue is closed and empty.
pub fn work(model: &mut dyn RewardModel, queue: &Queue) {
    let mut open: Vec<Open> = Vec::new();
    while let Some(jobs) = queue.take(open.is_empty()) {
        open.extend(jobs.into_iter().filter_map(|job| begin(model, job, queue)));
        // Nobody waits for these any more.
        open.retain(|it| {
            let is_wanted = !it.reply.is_closed();
            if !is_wanted {
                queue.release(it.n_texts);
            }
            is_wanted
        });
        pass(model, &mut open, queue);
    }
}

/// Tokenizes the texts of a request; `None` where it has its answer already.
fn begin(model: &dyn RewardModel, job: Job, queue: &Queue) -> Option<Open> {
    let n_texts = job.asked.len();
    let encoded = if job.reply.is_closed() { Ok(Vec::new()) } else { encode(model, &job.asked) };
    match encoded {
        Ok(texts) if !texts.is_empty() => {
            let (left, done) = (texts.into(), Vec::with_capacity(n_texts));
            Some(Open { left, done, reply: job.reply, n_texts })
        }
        outcome => {
            queue.release(n_texts);
            // Whoever asked may be gone.
            let _ = job.reply.send(outcome.map(|_| Vec::new()));
            None
        }
    }
}

/// Token ids of what is asked, in order.
fn encode(model: &dyn RewardModel, asked: &[Asked]) -> Result<Vec<EncodedText>, Refusal> {
    if let Ok(encoded) = encode_together(model, asked) {
        return Ok(encoded);
    }
    // One by one, to name the text.
    let one = |(at, asked): (usize, &Asked)| {
        let refused = |error: EngineError| {
            let detail = match &error {
                EngineError::Tokenize { detail, .. } => format!("it cannot be tokenized: {detail}"),
                EngineError::ConversationRefused { detail, .. } => {
                    format!("the model's chat template refuses it: {detail}")
                }
                other => other.to_string(),
            };
            let hint = error.hint().unwrap_or_else(|| "leave this text out".to_owned());
            Refusal::Wrong { error: format!("text {at}: {detail}"), hint }
        };
        let mut encoded = encode_together(model, std::slice::from_ref(asked)).map_err(refused)?;
        Ok(encoded.remove(0))
    };
    asked.iter().enumerate().map(one).collect()
}

fn encode_together(
    model: &dyn RewardModel,
    asked: &[Asked],
) -> Result<Vec<EncodedText>, EngineError> {
    let (mut said, mut written) = (Vec::new(), Vec::new());
    for asked in asked {
        match asked {
            Asked::Written { prompt, answer } => written.push(WrittenText { prompt, answer }),
            Asked::Said(it) => {
                said.push(Text { form: &it.form, prompt: &it.prompt, response: &it.text });
            }
        }
    }
    let mut said = encode_texts(model, &said)?.into_iter();
    let mut written = encode_written(model, &written)?.into_iter();
    let next = |asked: &Asked| match asked {
        Asked::Written { .. } => written.next(),
        Asked::Said(_) => said.next(),
    };
    Ok(asked.iter().filter_map(next).collect())
}

/// Scores the next texts of the requests and answers those that are complete.
fn pass(model: &mut dyn RewardModel, open: &mut Vec<Open>, queue: &Queue) {
    let lengths: Vec<Vec<usize>> =
        open.iter().map(|it| it.left.iter().map(|text| text.tokens.len()).collect()).collect();
    let shares = shares(&lengths, TOKENS_OF_A_PASS);
    let mut texts = Vec::new();
    for (request, n) in open.iter_mut().zip(&shares) {
        texts.extend(request.left.drain(..n));
    }
    if texts.is_empty() {
        return;
    }
    let begin = Instant::now();
    let rewards = score(model, &texts);
    queue.measured(texts.len(), begin.elapsed());
    let mut scored = texts.iter().zip(rewards).map(|(text, reward)| {
        let (n_tokens, is_cut) = (text.tokens.len(), text.n_tokens_cut > 0);
        reward.map(|reward| Scored { reward, n_tokens, is_cut })
    });
    let mut kept = Vec::with_capacity(open.len());
    for (mut request, n) in open.drain(..).zip(shares) {
        let new: Outcome = scored.by_ref().take(n).collect();
        let outcome = new.map(|new| request.done.extend(new));
        if outcome.is_ok() && !request.left.is_empty() {
            kept.push(request);
            continue;
        }
        queue.release(request.n_texts);
        // Whoever asked may be gone.
        let _ = request.reply.send(outcome.map(|()| request.done));
    }
    *open = kept;
}

/// How many of the next texts of each request a pass takes: one of each in turn while they fit, at
/// least one in all.
fn shares(lengths: &[Vec<usize>], budget: usize) -> Vec<usize> {
    let mut shares = vec![0; lengths.len()];
    let (mut n_tokens, mut n_texts) = (0, 0);
    for turn in 0.. {
        let mut is_over = true;
        for (share, lengths) in shares.iter_mut().zip(lengths) {
            let Some(length) = lengths.get(turn) else { continue };
            if n_texts > 0 && n_tokens + length > budget {
                return shares;
            }
            (n_tokens, n_texts, is_over) = (n_tokens + length, n_texts + 1, false);
            *share += 1;
        }
        if is_over {
            break;
        }
    }
    shares
}

/// The reward of each text. Where they cannot be scored together they are scored one by one, so that a
/// text without a reward spoils no other request.
fn score(model: &mut dyn RewardModel, texts: &[EncodedText]) -> Vec<Result<f32, Refusal>> {
    if let Ok(rewards) = score_texts(model, texts, TOKENS_OF_A_PASS) {
        return rewards.into_iter().map(Ok).collect();
    }
    let mut one = |text| {
        let rewards = score_texts(model, std::slice::from_ref(text), TOKENS_OF_A_PASS);
        let failed = |error: EngineError| Refusal::Failed { detail: error.to_string() };
        Ok(rewards.map_err(failed)?.into_iter().next().unwrap_or(f32::NAN))
    };
    texts.iter().map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Answer, Answers};
    use crate::domain::text::conversation::TextForm;
    use crate::engine::{Backbone, OpenSettings, open};

    fn model() -> Box<dyn RewardModel> {
        open(&OpenSettings::new(Backbone::Mock, 64, 1)).unwrap()
    }

    fn asked(words: &[&str]) -> Vec<Asked> {
        let text = |text: &&str| {
            let text = (*text).to_owned();
            Asked::Said(Answer { prompt: "p".to_owned(), text, form: TextForm::Dialogue })
        };
        words.iter().map(text).collect()
    }

    #[test]
    fn each_request_gives_a_text_in_turn() {
        for (lengths, budget, expected) in [
            (vec![vec![3, 3, 3], vec![3]], 100, vec![3, 1]),
            (vec![vec![3, 3, 3], vec![3]], 9, vec![2, 1]),
            (vec![vec![3, 3, 3], vec![3, 3]], 7, vec![1, 1]),
            (vec![vec![50], vec![3]], 7, vec![1, 0]),
            (vec![vec![], vec![50, 1]], 7, vec![0, 1]),
            (vec![], 7, vec![]),
        ] {
            assert_eq!(shares(&lengths, budget), expected, "{lengths:?} {budget}");
        }
    }

    #[test]
    fn requests_get_the_rewards_that_their_texts_have_alone() {
        let queue = Queue::new(100);
        let words = ["one", "two three", "four five six", "one", "", "seven"];
        let (first, second) = words.split_at(4);
        let [mut first, mut second] = [first, second].map(|it| queue.submit(asked(it)).unwrap());
        assert_eq!(queue.n_waiting(), 6);
        let mut empty = queue.submit(Vec::new()).unwrap();
        let abandoned = queue.submit(asked(&["nobody waits"])).unwrap();
        drop(abandoned);
        queue.close();
        work(model().as_mut(), &queue);
        assert_eq!(queue.n_waiting(), 0);
        let found: Vec<Scored> = [&mut first, &mut second]
            .into_iter()
            .flat_map(|it| it.try_recv().unwrap().unwrap())
            .collect();
        for (found, word) in found.iter().zip(words) {
            let mut model = model();
            let encoded = encode(model.as_ref(), &asked(&[word])).unwrap();
            let alone = score_texts(model.as_mut(), &encoded, 9).unwrap()[0];
            assert_eq!(found.reward.to_bits(), alone.to_bits(), "{word}");
            assert_eq!((found.n_tokens, found.is_cut), (encoded[0].tokens.len(), false));
        }
        assert_eq!(empty.try_recv().unwrap(), Ok(Vec::new()));
        assert_eq!(queue.submit(Vec::new()).unwrap_err(), Refusal::Stopping);
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let queue = Queue::new(3);
        let waiting = queue.submit(asked(&["a", "b"])).unwrap();
        let full = Refusal::Full { n_waiting: 2, retry_after_s: 1 };
        assert_eq!(queue.submit(asked(&["c", "d"])).unwrap_err(), full);
        let third = queue.submit(asked(&["c"])).unwrap();
        queue.measured(1, Duration::from_millis(1500));
        assert_eq!(queue.retry_after_s(), 5);
        drop((waiting, third));
        queue.close();
        work(model().as_mut(), &queue);
        assert_eq!(queue.n_waiting(), 0, "room is made for what nobody waits for");
    }

    #[test]
    fn written_and_said_texts_of_a_request_keep_their_order() {
        let Ok(Answers::One(said)) = Answers::read(r#"{"prompt":"a b","response":"c"}"#) else {
            panic!("one answer")
        };
        let written = Asked::Written { prompt: "a".to_owned(), answer: " b c d e".to_owned() };
        let encoded = encode(model().as_ref(), &[written, Asked::Said(said)]).unwrap();
        let lengths: Vec<usize> = encoded.iter().map(|it| it.tokens.len()).collect();
        assert_eq!(lengths, [5, 3]);
    }
}
