//! `ser serve MODEL`: rewards over HTTP.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixStream as Pipe;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};

use super::model::scorer::{self, ModelArgs};
use super::{CliError, CliResult, Context};
use crate::domain::text::causes::io_reason;
use crate::domain::text::words;
use http::{Limits, REWARDS, Site, Telling};
use queue::Queue;
use token::{Token, VARIABLE};

mod connection;
mod contract;
mod http;
mod queue;
mod refusal;
mod token;

/// The exit code of a second Ctrl-C.
const INTERRUPTED: i32 = 130;

/// Arguments of `ser serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "`POST /get_reward` takes a JSON object in one of three forms:\n  \
    query                 whole texts (OpenRLHF's remote reward model, 0.11)\n  \
    prompts + responses   texts or lists of messages, as `ser score` reads them\n  \
    records               lines of `ser score`, with one answer each\n\
    and answers `rewards`, `scores` (the same) and `extra_logs` (tokens, and whether a text was cut). \
    `labels` are taken and not read. `GET /health` says whether it runs.\n\n\
    The last two forms give the rewards of `ser score`, bit for bit. A query is taken as written by a chat \
    template already: the special tokens that it holds as text are the model's own where its tokenizer \
    has them, none is added twice, and an end that generation leaves out (the end token of an answer that \
    was cut, the line break after it) is added, since there the reward is read. So the policy should use \
    the template of the reward model; where it does not, send `prompts` and `responses`. Where a query \
    begins with its entry of `prompts`, the rest is its answer, which an encoder reads as the second of \
    two texts. A text that is too long loses its oldest tokens.\n\n\
    In OpenRLHF: `--reward.remote_url http://127.0.0.1:5000/get_reward`; with a token, \
    `http://ser:TOKEN@HOST:5000/get_reward`, as its client sends no other header. The connection is not \
    encrypted: across machines, use `ssh -L` or a proxy with TLS.\n\n\
    Requests that wait are scored together. Refusals are JSON with `error` and `hint`: 401 without the \
    token, 408 for a body that does not arrive within 30 s, 413 and 422 for one that is too large or wrong, \
    503 with `Retry-After` when too many texts wait or `--timeout` is over. Ctrl-C and SIGTERM end it after \
    the requests that it has; a second one at once.")]
pub struct ServeArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// Where to listen; an address that other machines reach needs a token. Port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDRESS:PORT")]
    listen: String,
    /// Let in only who shows the token in this file [default: `$SER_TOKEN`, if set]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Texts of a request
    #[arg(long, default_value_t = 1024, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_texts: u32,
    /// Size of a request, in MiB
    #[arg(long, default_value_t = 16, value_name = "MIB",
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_body: u32,
    /// Texts that may wait at a time; more are refused
    #[arg(long, default_value_t = 4096, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_048_576))]
    max_waiting: u32,
    /// Seconds until a request without rewards is given up (OpenRLHF's client waits 180)
    #[arg(long, default_value_t = 120, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(1..=86_400))]
    timeout: u32,
}

/// Serves the model until it is stopped.
///
/// # Errors
/// When the address may not be listened at or is taken, or the model cannot be opened.
pub fn run(context: &Context, args: &ServeArgs) -> CliResult {
    let token = Token::find(args.token_file.as_deref())?;
    let listener = listen(&args.listen, token.is_some())?;
    let stop = stop_pipe()?;
    let mut scorer = scorer::open(context, &args.model)?;
    let address = listener.local_addr().map_err(|error| refused(&args.listen, &error))?;
    context.say(&invitation(&scorer.name, address, token.is_some(), args));
    let limits = Limits {
        n_bytes: u64::from(args.max_body) << 20,
        // A request that can never wait would only get through where nobody else asks.
        n_texts: args.max_texts.min(args.max_waiting) as usize,
        time: Duration::from_secs(u64::from(args.timeout)),
    };
    let queue = Arc::new(Queue::new(args.max_waiting as usize));
    let telling = match (context.quiet, context.n_verbose) {
        (true, _) => Telling::Nothing,
        (false, 0) => Telling::Stop,
        (false, _) => Telling::Requests,
    };
    let site = Site::new(Arc::clone(&queue), token, limits, scorer.name.clone(), telling);
    let site = Arc::new(site);
    let answered = std::thread::scope(|scope| {
        let [ours, theirs] = stop;
        let answering = scope.spawn(|| {
            let _closed = Closing(&queue);
            http::answer(listener, &site, theirs)
        });
        let _stopping = Stopping(ours);
        queue::work(scorer.model.as_mut(), &queue);
        answering.join()
    });
    match answered {
        Ok(answered) => answered.map_err(|error| refused(&address.to_string(), &error))?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    let [n_requests, n_texts] = site.answered().map(words::count);
    context.say(&format!("stopped after {n_requests} requests with {n_texts} texts"));
    Ok(())
}

/// Closes the queue when requests cannot come any more.
struct Closing<'a>(&'a Queue);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Stops the server when nothing computes any more, which without a signal means a panic.
struct Stopping(Pipe);

impl Drop for Stopping {
    fn drop(&mut self) {
        // The other end may be gone.
        let _ = self.0.write(&[0]);
    }
}

/// The line at the start: where, what, and a call to try.
fn invitation(model: &str, address: SocketAddr, has_token: bool, args: &ServeArgs) -> String {
    let url = format!("http://{address}{REWARDS}");
    let token = match (&args.token_file, has_token) {
        (Some(path), _) => format!(" -H \"Authorization: Bearer $(cat '{}')\"", path.display()),
        (None, true) => format!(" -H \"Authorization: Bearer ${VARIABLE}\""),
        (None, false) => String::new(),
    };
    let body = r#"{"prompts": ["Hi"], "responses": ["Hello."]}"#;
    format!("{model} answers at {url}; try: curl{token} -d '{body}' {url}")
}

/// Listens at an address. Without a token it has to be one that only this machine reaches.
fn listen(address: &str, has_token: bool) -> CliResult<TcpListener> {
    let found = address.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    let addresses = found.map_err(|error| {
        let message = format!("`--listen` is `{address}`: {}", io_reason(&error));
        CliError::input(message).with_hint("write an address and a port: `127.0.0.1:5000`")
    })?;
    let open = addresses.iter().find(|it| !it.ip().is_loopback());
    if let (Some(open), false) = (open, has_token) {
        let message = format!("other machines reach `{}`, and no token is set", open.ip());
        return Err(CliError::input(message).with_hint(format!(
            "set one (`openssl rand -hex 32 > token`, then `--token-file token`, or `{VARIABLE}`), or \
             listen at 127.0.0.1"
        )));
    }
    TcpListener::bind(addresses.as_slice()).map_err(|error| refused(address, &error))
}

fn refused(address: &str, error: &std::io::Error) -> CliError {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program listens there: take another port, or 0",
        std::io::ErrorKind::PermissionDenied => "take a port above 1023",
        _ => "take an address of this machine",
    };
    CliError::input(format!("cannot listen at `{address}`: {}", io_reason(error))).with_hint(hint)
}

/// Two ends of a pipe: a byte comes out of the second at the first Ctrl-C or SIGTERM. A second signal
/// ends the process.
fn stop_pipe() -> CliResult<[Pipe; 2]> {
    let failed =
        |error: std::io::Error| CliError::failure(format!("cannot listen for signals: {error}"));
    let (ours, theirs) = Pipe::pair().map_err(failed)?;
    let is_second = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order, so that the first signal arms the second.
        let armed = Arc::clone(&is_second);
        signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, armed)
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&is_second)))
            .and_then(|_| signal_hook::low_level::pipe::register(signal, ours.try_clone()?))
            .map_err(failed)?;
    }
    Ok([ours, theirs])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_need_a_token() {
        for (address, has_token, part) in [
            ("0.0.0.0:0", false, "other machines reach `0.0.0.0`"),
            ("[::]:0", false, "other machines reach `::`"),
            ("192.0.2.1:0", false, "other machines reach"),
            ("192.0.2.1:0", true, "cannot listen at `192.0.2.1:0`"),
            ("5000", false, "`--listen` is `5000`"),
            ("127.0.0.1:70000", false, "`--listen` is"),
        ] {
            let error = listen(address, has_token).unwrap_err();
            assert!(error.message.contains(part), "{address}: {}", error.message);
            assert!(error.hint.is_some(), "{address}");
        }
        assert!(listen("127.0.0.1:0", false).is_ok());
        assert!(listen("0.0.0.0:0", true).is_ok());
    }
}
