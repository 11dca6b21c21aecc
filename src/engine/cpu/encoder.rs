//! A BERT-family encoder: learned positions, bidirectional attention, GELU, norms after the sums.
//!
//! A block is `y = LN(x + O attention(x))`, `x' = LN(y + W2 gelu(W1 y))`. The last block computes
//! keys and values for all rows but everything else only for the first row of each sequence.

use super::activation::{gelu_backward, gelu_forward};
use super::attention::{self, Heads, Saved};
use super::batch::Batch;
use super::dropout::Site;
use super::gemm::{Linear, Write};
use super::head::PoolerHead;
use super::math::{fit, fit_zeroed};
use super::norm::{layer_apply, layer_backward, layer_forward};
use super::parameters::{Role, Span, Table};
use super::pass::{Pass, asking_rows, spread_rows};
use super::rows::{add, add_column_sums, fill_rows, gather_rows, scatter_rows};
use super::workspace::{LayerActivations, Workspace};
use crate::engine::config::EncoderConfig;

/// A matrix, or a norm's scale, with its bias.
#[derive(Debug, Clone, Copy)]
struct Affine {
    weight: Span,
    bias: Span,
}

impl Affine {
    fn of(self, values: &[f32]) -> (&[f32], &[f32]) {
        (self.weight.of(values), self.bias.of(values))
    }

    /// Both gradients at once; the bias lies behind the weight.
    fn of_mut(self, gradient: &mut [f32]) -> (&mut [f32], &mut [f32]) {
        let (head, tail) = gradient.split_at_mut(self.bias.start);
        (&mut head[self.weight.start..self.weight.end], &mut tail[..self.bias.len()])
    }

    /// `y = x W^T + b`.
    fn forward(self, values: &[f32], linear: Linear, rows: usize, x: &[f32], y: &mut [f32]) {
        fill_rows(y, self.bias.of(values));
        linear.forward(rows, Write::Add, y, x, self.weight.of(values));
    }

    /// Adds the gradients of weight and bias.
    fn add_gradients(
        self,
        gradient: &mut [f32],
        linear: Linear,
        rows: usize,
        dy: &[f32],
        x: &[f32],
    ) {
        linear.weight_gradient(rows, self.weight.of_mut(gradient), dy, x);
        add_column_sums(dy, self.bias.of_mut(gradient));
    }
}

/// Where the tensors of one block lie.
#[derive(Debug, Clone, Copy)]
struct Layer {
    query: Affine,
    /// Keys and values, one matrix.
    key_value: Affine,
    output: Affine,
    attention_norm: Affine,
    up: Affine,
    down: Affine,
    feed_norm: Affine,
}

/// The three embedding tables and their norm.
#[derive(Debug, Clone, Copy)]
struct Embeddings {
    words: Span,
    positions: Span,
    types: Span,
    norm: Affine,
}

/// Widths of the linear layers of a block.
#[derive(Debug, Clone, Copy)]
struct Shapes {
    square: Linear,
    key_value: Linear,
    up: Linear,
    down: Linear,
}

/// The encoder without its parameters.
#[derive(Debug, Clone)]
pub struct Encoder {
    config: EncoderConfig,
    heads: Heads,
    shapes: Shapes,
    embeddings: Embeddings,
    layers: Vec<Layer>,
    head: PoolerHead,
}

fn add_layer(table: &mut Table, index: usize, hidden: usize, inner: usize) -> Layer {
    let stem = format!("bert.encoder.layer.{index}");
    let mut tensor =
        |name: &str, shape: &[usize], role| table.add(format!("{stem}.{name}"), shape, role);
    let square = [hidden, hidden];
    // Weights, then biases, of query, key and value, so that keys and values are one matrix.
    let query_weight = tensor("attention.self.query.weight", &square, Role::Matrix);
    let key_weight = tensor("attention.self.key.weight", &square, Role::Matrix);
    let value_weight = tensor("attention.self.value.weight", &square, Role::Matrix);
    let query_bias = tensor("attention.self.query.bias", &[hidden], Role::Bias);
    let key_bias = tensor("attention.self.key.bias", &[hidden], Role::Bias);
    let value_bias = tensor("attention.self.value.bias", &[hidden], Role::Bias);
    let mut affine = |name: &str, shape: &[usize], role| Affine {
        weight: tensor(&format!("{name}.weight"), shape, role),
        bias: tensor(&format!("{name}.bias"), &shape[..1], Role::Bias),
    };
    Layer {
        query: Affine { weight: query_weight, bias: query_bias },
        key_value: Affine {
            weight: key_weight.through(value_weight),
            bias: key_bias.through(value_bias),
        },
        output: affine("attention.output.dense", &square, Role::Matrix),
        attention_norm: affine("attention.output.LayerNorm", &[hidden], Role::Scale),
        up: affine("intermediate.dense", &[inner, hidden], Role::Matrix),
        down: affine("output.dense", &[hidden, inner], Role::Matrix),
        feed_norm: affine("output.LayerNorm", &[hidden], Role::Scale),
    }
}

impl Encoder {
    /// Lays the tensors out.
    #[must_use]
    pub fn new(config: &EncoderConfig) -> (Self, Table) {
        let mut table = Table::default();
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let mut embed = |name: &str, rows| {
            let name = format!("bert.embeddings.{name}_embeddings.weight");
            table.add(name, &[rows, hidden], Role::Embedding)
        };
        let words = embed("word", config.vocab_size);
        let positions = embed("position", config.max_positions);
        let types = embed("token_type", config.type_vocab_size);
        let norm = Affine {
            weight: table.add("bert.embeddings.LayerNorm.weight", &[hidden], Role::Scale),
            bias: table.add("bert.embeddings.LayerNorm.bias", &[hidden], Role::Bias),
        };
        let embeddings = Embeddings { words, positions, types, norm };
        let layers =
            (0..config.n_layers).map(|i| add_layer(&mut table, i, hidden, inner)).collect();
        let head = PoolerHead {
            pooler: table.add("bert.pooler.dense.weight", &[hidden, hidden], Role::Matrix),
            pooler_bias: table.add("bert.pooler.dense.bias", &[hidden], Role::Bias),
            classifier: table.add("classifier.weight", &[1, hidden], Role::Matrix),
            classifier_bias: table.add("classifier.bias", &[1], Role::Bias),
        };
        let heads = Heads {
            n_queries: config.n_heads,
            n_keys: config.n_heads,
            width: hidden / config.n_heads,
            is_causal: false,
        };
        let shapes = Shapes {
            square: Linear { input: hidden, output: hidden },
            key_value: Linear { input: hidden, output: 2 * hidden },
            up: Linear { input: hidden, output: inner },
            down: Linear { input: inner, output: hidden },
        };
        (Self { config: config.clone(), heads, shapes, embeddings, layers, head }, table)
    }

    /// The word embeddings.
    #[must_use]
    pub fn embedding(&self) -> Span {
        self.embeddings.words
    }

    /// Rows of the position table.
    #[must_use]
    pub fn n_positions(&self) -> usize {
        self.config.max_positions
    }

    /// Whether answers have a token type of their own.
    #[must_use]
    pub fn has_token_types(&self) -> bool {
        self.config.type_vocab_size > 1
    }

    /// Width of the residual stream.
    #[must_use]
    pub fn width(&self) -> usize {
        self.config.hidden_size
    }

    /// Rewards of a batch, into `work.rewards`.
    pub fn reward(&self, values: &[f32], batch: &Batch, pass: Pass, work: &mut Workspace) {
        let (width, n_layers) = (self.width(), self.layers.len());
        work.reserve_layers(if pass.keeps { n_layers } else { 2 });
        self.embed(values, batch, pass, work);
        for layer in 0..n_layers {
            self.attention_forward(values, batch, pass, layer, work);
            self.feed_forward(values, batch, pass, layer, work);
        }
        let rows = batch.pooled.len();
        let hidden = &work.streams[pass.slot(n_layers)][..rows * width];
        let pooled = fit(&mut work.pooled, rows * width);
        self.head.forward(values, hidden, pooled, fit(&mut work.rewards, rows));
    }

    fn embed(&self, values: &[f32], batch: &Batch, pass: Pass, work: &mut Workspace) {
        let width = self.width();
        let Embeddings { words, positions, types, norm } = self.embeddings;
        let sum = fit(&mut work.embedded, batch.n_rows() * width);
        gather_rows(words.of(values), width, &batch.tokens, sum);
        for (table, rows) in [(positions, &batch.all.positions), (types, &batch.token_types)] {
            let table = table.of(values);
            for (sum, row) in sum.chunks_exact_mut(width).zip(rows) {
                add(sum, &table[*row as usize * width..][..width]);
            }
        }
        let stream = fit(&mut work.streams[pass.slot(0)], batch.n_rows() * width);
        let moments = fit(&mut work.embedded_moments, 2 * batch.n_rows());
        let (weight, bias) = norm.of(values);
        layer_forward(sum, weight, bias, self.config.layer_norm_eps, stream, moments);
        pass.dropout.apply(stream, width, 0, Site::Embedding, &batch.all.numbers);
    }

    /// From a block's input to `middle`, the sum that its first norm reads.
    fn attention_forward(
        &self,
        values: &[f32],
        batch: &Batch,
        pass: Pass,
        index: usize,
        work: &mut Workspace,
    ) {
        let (layer, shapes, width) = (&self.layers[index], &self.shapes, self.width());
        let queries = pass.queries(batch, index + 1 == self.layers.len());
        let (n, m) = (batch.n_rows(), queries.len());
        let input = &work.streams[pass.slot(index)][..n * width];
        let saved = &mut work.layers[pass.slot(index)];
        let kv = fit(&mut saved.keys_values, n * 2 * width);
        layer.key_value.forward(values, shapes.key_value, n, input, kv);
        let asking = asking_rows(input, width, queries, &mut work.gathered);
        let q = fit(&mut saved.queries, m * width);
        layer.query.forward(values, shapes.square, m, asking, q);
        let attended = fit(&mut saved.attended, m * width);
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
        middle.copy_from_slice(asking);
        let branch = pass.branch(index, Site::Attention, queries);
        branch.join(shapes.square, layer.output.of(values), attended, middle, &mut work.branch);
    }

    /// From `middle` to the block's output.
    fn feed_forward(
        &self,
        values: &[f32],
        batch: &Batch,
        pass: Pass,
        index: usize,
        work: &mut Workspace,
    ) {
        let (layer, shapes, width) = (&self.layers[index], &self.shapes, self.width());
        let queries = pass.queries(batch, index + 1 == self.layers.len());
        let (m, inner) = (queries.len(), self.config.intermediate_size);
        let saved = &mut work.layers[pass.slot(index)];
        let middle = &saved.middle[..m * width];
        let normed = fit(&mut work.normed, m * width);
        let epsilon = self.config.layer_norm_eps;
        let (weight, bias) = layer.attention_norm.of(values);
        let moments = fit(&mut saved.middle_moments, 2 * m);
        layer_forward(middle, weight, bias, epsilon, normed, moments);
        let expanded = fit(&mut saved.expanded, m * inner);
        layer.up.forward(values, shapes.up, m, normed, expanded);
        let activated = fit(&mut work.activated, m * inner);
        gelu_forward(expanded, activated);
        let outer = fit(&mut saved.outer, m * width);
        outer.copy_from_slice(normed);
        let branch = pass.branch(index, Site::FeedForward, queries);
        branch.join(shapes.down, layer.down.of(values), activated, outer, &mut work.branch);
        let output = fit(&mut work.streams[pass.slot(index + 1)], m * width);
        let moments = fit(&mut saved.outer_moments, 2 * m);
        let (weight, bias) = layer.feed_norm.of(values);
        layer_forward(outer, weight, bias, epsilon, output, moments);
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
        let (width, n_layers) = (self.width(), self.layers.len());
        let rows = batch.pooled.len();
        let n = rows * width;
        let read = (&work.drewards[..rows], &work.streams[n_layers][..n]);
        let dpooled = fit(&mut work.dhidden, n);
        let dstream = fit(&mut work.dstream, n);
        self.head.backward(values, gradient, read, &mut work.pooled[..n], (dpooled, dstream));
        for layer in (0..n_layers).rev() {
            self.feed_forward_backward(values, gradient, batch, pass, layer, work);
            self.attention_backward(values, gradient, batch, pass, layer, work);
        }
        let n = batch.n_rows() * width;
        let dstream = &mut work.dstream[..n];
        pass.dropout.apply(dstream, width, 0, Site::Embedding, &batch.all.numbers);
        let Embeddings { words, positions, types, norm } = self.embeddings;
        let moments = &work.embedded_moments[..2 * batch.n_rows()];
        let (dweight, dbias) = norm.of_mut(gradient);
        let weight = norm.weight.of(values);
        layer_backward(dstream, &work.embedded[..n], weight, moments, dweight, dbias);
        scatter_rows(dstream, width, &batch.tokens, words.of_mut(gradient));
        scatter_rows(dstream, width, &batch.all.positions, positions.of_mut(gradient));
        scatter_rows(dstream, width, &batch.token_types, types.of_mut(gradient));
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
        let (m, inner) = (queries.len(), self.config.intermediate_size);
        let LayerActivations { middle, middle_moments, expanded, outer, outer_moments, .. } =
            &mut work.layers[index];
        let (middle, outer) = (&middle[..m * width], &outer[..m * width]);
        let (middle_moments, outer_moments) = (&middle_moments[..2 * m], &outer_moments[..2 * m]);
        let dstream = &mut work.dstream[..m * width];
        let (dweight, dbias) = layer.feed_norm.of_mut(gradient);
        let weight = layer.feed_norm.weight.of(values);
        layer_backward(dstream, outer, weight, outer_moments, dweight, dbias);

        let branch = pass.branch(index, Site::FeedForward, queries);
        let dbranch = branch.gradient(dstream, width, &mut work.branch);
        let activated = fit(&mut work.activated, m * inner);
        let weight = layer.down.weight.of(values);
        shapes.down.input_gradient(m, Write::Replace, activated, dbranch, weight);
        let dexpanded = &mut expanded[..m * inner];
        gelu_backward(dexpanded, activated);
        layer.down.add_gradients(gradient, shapes.down, m, dbranch, activated);
        let normed = fit(&mut work.normed, m * width);
        let (weight, bias) = layer.attention_norm.of(values);
        layer_apply(middle, weight, bias, middle_moments, normed);
        layer.up.add_gradients(gradient, shapes.up, m, dexpanded, normed);
        shapes.up.input_gradient(m, Write::Add, dstream, dexpanded, layer.up.weight.of(values));
        let (dweight, dbias) = layer.attention_norm.of_mut(gradient);
        layer_backward(dstream, middle, weight, middle_moments, dweight, dbias);
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
        let layer_saved = &work.layers[index];
        let saved = Saved {
            queries: &layer_saved.queries[..m * width],
            keys_values: &layer_saved.keys_values[..n * 2 * width],
            output: &layer_saved.attended[..m * width],
            log_sums: &layer_saved.log_sums[..m * self.heads.n_queries],
        };
        let branch = pass.branch(index, Site::Attention, queries);
        let dbranch = branch.gradient(&work.dstream[..m * width], width, &mut work.branch);
        layer.output.add_gradients(gradient, shapes.square, m, dbranch, saved.output);
        let dattended = fit(&mut work.dattended, m * width);
        let weight = layer.output.weight.of(values);
        shapes.square.input_gradient(m, Write::Replace, dattended, dbranch, weight);
        let dq = fit(&mut work.dqueries, m * width);
        let dkv = fit_zeroed(&mut work.dkeys_values, n * 2 * width);
        let pattern = queries.pattern();
        attention::backward(self.heads, pattern, saved, dattended, dq, dkv, &mut work.attention);

        let input = &work.streams[index][..n * width];
        let asking = asking_rows(input, width, queries, &mut work.gathered);
        layer.query.add_gradients(gradient, shapes.square, m, dq, asking);
        layer.key_value.add_gradients(gradient, shapes.key_value, n, dkv, input);
        let dasking = &mut work.dstream[..m * width];
        shapes.square.input_gradient(m, Write::Add, dasking, dq, layer.query.weight.of(values));
        spread_rows(&mut work.dstream, width, queries, n, &mut work.branch);
        let dstream = &mut work.dstream[..n * width];
        let weight = layer.key_value.weight.of(values);
        shapes.key_value.input_gradient(n, Write::Add, dstream, dkv, weight);
    }
}
