//! A Llama-family decoder: RMS norm, rotary attention with grouped queries, SwiGLU.
//!
//! A block is `h = x + O attention(norm(x))`, `x' = h + D swiglu(norm(h))`. The last block computes
//! keys and values for all rows but everything else only for the rows that are read.

use super::activation::{swiglu_backward, swiglu_forward};
use super::attention::{self, Heads, Saved};
use super::batch::Batch;
use super::dropout::Site;
use super::gemm::{Linear, Write};
use super::head;
use super::math::{fit, fit_zeroed};
use super::norm::{rms_apply, rms_backward, rms_forward};
use super::parameters::{Role, Span, Table};
use super::pass::{Pass, asking_rows, spread_rows};
use super::rotary::RotaryTable;
use super::rows::{gather_rows, scatter_rows};
use super::workspace::{LayerActivations, Workspace};
use crate::engine::config::DecoderConfig;

/// Where the tensors of one block lie.
#[derive(Debug, Clone, Copy)]
struct Layer {
    attention_norm: Span,
    query: Span,
    /// Keys and values, one matrix.
    key_value: Span,
    output: Span,
    feed_norm: Span,
    /// Gate and up, one matrix.
    gate_up: Span,
    down: Span,
}

/// Widths of the linear layers of a block.
#[derive(Debug, Clone, Copy)]
struct Shapes {
    query: Linear,
    key_value: Linear,
    output: Linear,
    gate_up: Linear,
    down: Linear,
}

/// The decoder without its parameters.
#[derive(Debug, Clone)]
pub struct Decoder {
    config: DecoderConfig,
    heads: Heads,
    shapes: Shapes,
    embedding: Span,
    layers: Vec<Layer>,
    final_norm: Span,
    score: Span,
    rotary: RotaryTable,
}

impl Decoder {
    /// Lays the tensors out.
    #[must_use]
    pub fn new(config: &DecoderConfig) -> (Self, Table) {
        let mut table = Table::default();
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let heads = Heads {
            n_queries: config.n_heads,
            n_keys: config.n_kv_heads,
            width: config.head_dim,
            is_causal: true,
        };
        let (wide, key) = (heads.query_width(), heads.key_value_width() / 2);
        let embedding =
            table.add("model.embed_tokens.weight", &[config.vocab_size, hidden], Role::Embedding);
        let layers = (0..config.n_layers)
            .map(|i| {
                let mut add = |name: &str, shape: &[usize], role| {
                    table.add(format!("model.layers.{i}.{name}.weight"), shape, role)
                };
                let attention_norm = add("input_layernorm", &[hidden], Role::Scale);
                let query = add("self_attn.q_proj", &[wide, hidden], Role::Matrix);
                let keys = add("self_attn.k_proj", &[key, hidden], Role::Matrix);
                let values = add("self_attn.v_proj", &[key, hidden], Role::Matrix);
                let output = add("self_attn.o_proj", &[hidden, wide], Role::Matrix);
                let feed_norm = add("post_attention_layernorm", &[hidden], Role::Scale);
                let gate = add("mlp.gate_proj", &[inner, hidden], Role::Matrix);
                let up = add("mlp.up_proj", &[inner, hidden], Role::Matrix);
                let down = add("mlp.down_proj", &[hidden, inner], Role::Matrix);
                let (key_value, gate_up) = (keys.through(values), gate.through(up));
                Layer { attention_norm, query, key_value, output, feed_norm, gate_up, down }
            })
            .collect();
        let final_norm = table.add("model.norm.weight", &[hidden], Role::Scale);
        let score = table.add("score.weight", &[1, hidden], Role::Matrix);
        let shapes = Shapes {
            query: Linear { input: hidden, output: wide },
            key_value: Linear { input: hidden, output: 2 * key },
            output: Linear { input: wide, output: hidden },
            gate_up: Linear { input: hidden, output: 2 * inner },
            down: Linear { input: inner, output: hidden },
        };
        let rotary = RotaryTable::new(config.head_dim, config.rope_theta);
        let config = config.clone();
        (Self { config, heads, shapes, embedding, layers, final_norm, score, rotary }, table)
    }

    /// Prepares positions below `n`.
    pub fn reserve_positions(&mut self, n: usize) {
        self.rotary.reserve(n);
    }

    /// The embedding table, which the language-model head shares.
    #[must_use]
    pub fn embedding(&self) -> Span {
        self.embedding
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn width(&self) -> usize {
        self.config.hidden_size
    }

    /// Rewards of a batch, into `work.rewards`.
    pub fn reward(&self, values: &[f32], batch: &Batch, pass: Pass, work: &mut Workspace) {
        self.forward(values, batch, pass, work);
        let rows = batch.pooled.len();
        let rewards = fit(&mut work.rewards, rows);
        head::read_out(&work.hidden[..rows * self.width()], self.score.of(values), 0.0, rewards);
    }

    /// Adds the gradients of all parameters, from `work.drewards`.
    pub fn reward_backward(
        &self,
        values: &[f32],
        gradient: &mut [f32],
        batch: &Batch,
        pass: Pass,
        work: &mut Workspace,
    ) {
        let rows = batch.pooled.len();
        let n = rows * self.width();
        head::read_out_backward(
            &work.drewards[..rows],
            &work.hidden[..n],
            self.score.of(values),
            fit(&mut work.dhidden, n),
            self.score.of_mut(gradient),
        );
        self.backward(values, gradient, batch, pass, work);
    }

    /// Hidden states after the last norm, into `work.hidden`.
    pub fn forward(&self, values: &[f32], batch: &Batch, pass: Pass, work: &mut Workspace) {
        let (width, n_layers) = (self.width(), self.layers.len());
        work.reserve_layers(if pass.keeps { n_layers } else { 2 });
        let stream = fit(&mut work.streams[pass.slot(0)], batch.n_rows() * width);
        gather_rows(self.embedding.of(values), width, &batch.tokens, stream);
        pass.dropout.apply(stream, width, 0, Site::Embedding, &batch.all.numbers);
        for layer in 0..n_layers {
            self.layer_forward(values, batch, pass, layer, work);
        }
        let rows = pass.queries(batch, true).len();
        rms_forward(
            &work.streams[pass.slot(n_layers)][..rows * width],
            self.final_norm.of(values),
            self.config.rms_norm_eps,
            fit(&mut work.hidden, rows * width),
            fit(&mut work.final_scales, rows),
        );
    }

    fn layer_forward(
        &self,
        values: &[f32],
        batch: &Batch,
        pass: Pass,
        index: usize,
        work: &mut Workspace,
    ) {
        let (layer, shapes, width) = (&self.layers[index], &self.shapes, self.width());
        let is_last = index + 1 == self.layers.len();
        let queries = pass.queries(batch, is_last);
        let (n, m) = (batch.n_rows(), queries.len());
        let slot = pass.slot(index);
        let mut output = std::mem::take(&mut work.streams[pass.slot(index + 1)]);
        let input = &work.streams[slot][..n * width];
        let saved = &mut work.layers[slot];
        let epsilon = self.config.rms_norm_eps;

        let normed = fit(&mut work.normed, n * width);
        let scales = fit(&mut saved.scales, n);
        rms_forward(input, layer.attention_norm.of(values), epsilon, normed, scales);
        let kv_width = self.heads.key_value_width();
        let kv = fit(&mut saved.keys_values, n * kv_width);
        shapes.key_value.forward(n, Write::Replace, kv, normed, layer.key_value.of(values));
        self.rotary.turn(kv, kv_width, self.heads.n_keys, &batch.all.positions);
        let asking = asking_rows(normed, width, queries, &mut work.gathered);
        let wide = self.heads.query_width();
        let q = fit(&mut saved.queries, m * wide);
        shapes.query.forward(m, Write::Replace, q, asking, layer.query.of(values));
        self.rotary.turn(q, wide, self.heads.n_queries, &queries.positions);
        let attended = fit(&mut saved.attended, m * wide);
        let sums = fit(&mut saved.log_sums, m * self.heads.n_queries);
        attention::forward(
            self.heads,
            queries.pattern(),
            q,
            kv,
            attended,
            sums,
            &mut work.attention,
        );

        let middle = fit(&mut saved.middle, m * width);
        gather_rows(input, width, &queries.rows, middle);
        let weights = (layer.output.of(values), [].as_slice());
        let branch = pass.branch(index, Site::Attention, queries);
        branch.join(shapes.output, weights, attended, middle, &mut work.branch);

        let normed = fit(&mut work.gathered, m * width);
        let scales = fit(&mut saved.middle_moments, m);
        rms_forward(middle, layer.feed_norm.of(values), epsilon, normed, scales);
        let inner = self.config.intermediate_size;
        let expanded = fit(&mut saved.expanded, m * 2 * inner);
        shapes.gate_up.forward(m, Write::Replace, expanded, normed, layer.gate_up.of(values));
        let activated = fit(&mut work.activated, m * inner);
        swiglu_forward(expanded, inner, activated);
        let stream = fit(&mut output, m * width);
        stream.copy_from_slice(middle);
        let weights = (layer.down.of(values), [].as_slice());
        let branch = pass.branch(index, Site::FeedForward, queries);
        branch.join(shapes.down, weights, activated, stream, &mut work.branch);
        work.streams[pass.slot(index + 1)] = output;
    }

    /// Adds the gradients of all parameters but the head, from `work.dhidden`.
    pub fn backward(
        &self,
        values: &[f32],
        gradient: &mut [f32],
        batch: &Batch,
        pass: Pass,
        work: &mut Workspace,
    ) {
        let (width, n_layers) = (self.width(), self.layers.len());
        let n = pass.queries(batch, true).len() * width;
        rms_backward(
            &work.dhidden[..n],
            &work.streams[n_layers][..n],
            self.final_norm.of(values),
            &work.final_scales[..n / width],
            fit_zeroed(&mut work.dstream, n),
            self.final_norm.of_mut(gradient),
        );
        for layer in (0..n_layers).rev() {
            self.feed_forward_backward(values, gradient, batch, pass, layer, work);
            self.attention_backward(values, gradient, batch, pass, layer, work);
        }
        let dstream = &mut work.dstream[..batch.n_rows() * width];
        pass.dropout.apply(dstream, width, 0, Site::Embedding, &batch.all.numbers);
        scatter_rows(dstream, width, &batch.tokens, self.embedding.of_mut(gradient));
    }

    /// From the gradient of a block's output to that of `middle`, both in `work.dstream`.
    fn feed_forward_backward(
        &self,
        values: &[f32],
        gradient: &mut [f32],
        batch: &Batch,
        pass: Pass,
        index: usize,
        work: &mut Workspace,
    ) {
        let (layer, shapes, width) = (&self.layers[index], &self.shapes, self.width());
        let queries = pass.queries(batch, index + 1 == self.layers.len());
        let m = queries.len();
        let inner = self.config.intermediate_size;
        let LayerActivations { middle, middle_moments, expanded, .. } = &mut work.layers[index];
        let (middle, scales) = (&middle[..m * width], &middle_moments[..m]);
        let expanded = &mut expanded[..m * 2 * inner];
        let dstream = &mut work.dstream[..m * width];
        let branch = pass.branch(index, Site::FeedForward, queries);
        let dbranch = branch.gradient(dstream, width, &mut work.branch);

        let activated = fit(&mut work.activated, m * inner);
        shapes.down.input_gradient(m, Write::Replace, activated, dbranch, layer.down.of(values));
        swiglu_backward(expanded, inner, activated);
        shapes.down.weight_gradient(m, layer.down.of_mut(gradient), dbranch, activated);
        let normed = fit(&mut work.normed, m * width);
        rms_apply(middle, layer.feed_norm.of(values), scales, normed);
        shapes.gate_up.weight_gradient(m, layer.gate_up.of_mut(gradient), expanded, normed);
        let dnormed = fit(&mut work.dnormed, m * width);
        let weight = layer.gate_up.of(values);
        shapes.gate_up.input_gradient(m, Write::Replace, dnormed, expanded, weight);
        let norm = layer.feed_norm;
        rms_backward(dnormed, middle, norm.of(values), scales, dstream, norm.of_mut(gradient));
    }

    /// From the gradient of `middle` to that of the block's input, both in `work.dstream`.
    fn attention_backward(
        &self,
        values: &[f32],
        gradient: &mut [f32],
        batch: &Batch,
        pass: Pass,
        index: usize,
        work: &mut Workspace,
    ) {
        let (layer, shapes, width) = (&self.layers[index], &self.shapes, self.width());
        let queries = pass.queries(batch, index + 1 == self.layers.len());
        let (n, m) = (batch.n_rows(), queries.len());
        let (wide, kv_width) = (self.heads.query_width(), self.heads.key_value_width());
        let layer_saved = &work.layers[index];
        let saved = Saved {
            queries: &layer_saved.queries[..m * wide],
            keys_values: &layer_saved.keys_values[..n * kv_width],
            output: &layer_saved.attended[..m * wide],
            log_sums: &layer_saved.log_sums[..m * self.heads.n_queries],
        };
        let branch = pass.branch(index, Site::Attention, queries);
        let dbranch = branch.gradient(&work.dstream[..m * width], width, &mut work.branch);
        shapes.output.weight_gradient(m, layer.output.of_mut(gradient), dbranch, saved.output);
        let dattended = fit(&mut work.dattended, m * wide);
        shapes.output.input_gradient(
            m,
            Write::Replace,
            dattended,
            dbranch,
            layer.output.of(values),
        );
        let dq = fit(&mut work.dqueries, m * wide);
        let dkv = fit_zeroed(&mut work.dkeys_values, n * kv_width);
        let pattern = queries.pattern();
        attention::backward(self.heads, pattern, saved, dattended, dq, dkv, &mut work.attention);
        self.rotary.turn_back(dq, wide, self.heads.n_queries, &queries.positions);
        self.rotary.turn_back(dkv, kv_width, self.heads.n_keys, &batch.all.positions);

        let input = &work.streams[index][..n * width];
        let scales = &layer_saved.scales[..n];
        let normed = fit(&mut work.normed, n * width);
        rms_apply(input, layer.attention_norm.of(values), scales, normed);
        shapes.key_value.weight_gradient(n, layer.key_value.of_mut(gradient), dkv, normed);
        let asking = asking_rows(normed, width, queries, &mut work.gathered);
        shapes.query.weight_gradient(m, layer.query.of_mut(gradient), dq, asking);
        let dnormed = fit(&mut work.dnormed, n * width);
        let weight = layer.key_value.of(values);
        shapes.key_value.input_gradient(n, Write::Replace, dnormed, dkv, weight);
        if queries.covers_all {
            shapes.query.input_gradient(n, Write::Add, dnormed, dq, layer.query.of(values));
        } else {
            let dasking = fit(&mut work.gathered, m * width);
            shapes.query.input_gradient(m, Write::Replace, dasking, dq, layer.query.of(values));
            scatter_rows(dasking, width, &queries.rows, dnormed);
            spread_rows(&mut work.dstream, width, queries, n, &mut work.branch);
        }
        let dstream = &mut work.dstream[..n * width];
        let norm = layer.attention_norm;
        rms_backward(dnormed, input, norm.of(values), scales, dstream, norm.of_mut(gradient));
    }
}
