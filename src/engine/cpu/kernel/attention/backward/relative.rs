//! The part of the backward pass that relative positions add.

#![expect(unsafe_code, reason = "raw operands")]
#![expect(clippy::inline_always, reason = "compiled with the instructions of a format")]

use super::{Backward, CHUNK};
use crate::engine::cpu::kernel::attention::operand::{Panels, Steps};
use crate::engine::cpu::kernel::attention::relative::products::{
    BEFORE_READ, BEFORE_WRITTEN, BEHIND, add_rows_of_table, add_to_table, clear, multiply_shifted,
    turn,
};
use crate::engine::cpu::kernel::format::Format;

/// Distance between rows of a chunk's turned scores, whose rows are keys.
pub(super) const TURNED: usize = BEFORE_WRITTEN + CHUNK + 48;

/// Distance between rows of their gradient.
pub(super) const TURNED_GRADIENT: usize = BEFORE_READ + CHUNK + BEHIND;

impl Backward<'_> {
    /// Prepares the buffers of relative positions and returns the rows of the keys.
    #[inline(always)]
    pub(super) unsafe fn enter_relative<F: Format>(&self, format: F) -> Steps {
        let layout = self.layout;
        let keys = self.keys_values.wrapping_add(self.head * self.heads.width);
        if self.relative.is_none() {
            return Steps { start: keys, row: 0, step: 0 };
        }
        // SAFETY: the gradients of scores are `CHUNK` rows `stride` apart behind the first ones, and the
        // turned ones `turned_gradient` values behind key rows and turned scores: `Layout::len` counts
        // both. Keys are read at rows below `n_keys` and columns of one head.
        unsafe {
            // The margins of both gradients of scores stay zero through the task.
            let scores = self.room.add(3 * layout.packed + 4 * layout.rows);
            clear(scores.add(CHUNK * layout.stride), CHUNK * layout.stride);
            let room = self.room.add(layout.plain_len());
            clear(room.add(layout.key_rows + layout.turned), layout.turned_gradient);
            let shape = [self.n_keys, self.heads.width];
            Steps::rows(format, room, keys, self.heads.key_value_width(), shape)
        }
    }

    /// Writes to `s`, `[n_rows, stride]`, the part of a chunk's scores that comes from relative
    /// positions.
    #[inline(always)]
    pub(super) unsafe fn relative_scores<F: Format>(
        &self,
        format: F,
        (rows, n_rows): (Steps, usize),
        places: &[u32],
        key_rows: Steps,
        s: *mut f32,
    ) {
        let Some((tables, _)) = self.relative else { return };
        let (layout, width, n_keys) = (self.layout, self.heads.width, self.n_keys);
        let place = places[0] as usize;
        // SAFETY: turned scores are `n_keys` rows, `TURNED` apart, of `n_rows <= CHUNK` columns and their
        // margins; scores at `s` are `n_rows` rows `stride` apart. A place is below the longest block, so
        // that the tables have a row for its distance to every key.
        unsafe {
            let turned = self.room.add(layout.plain_len() + layout.key_rows + BEFORE_WRITTEN);
            let table = (tables.queries::<F>(self.head), tables.middle + place);
            let key_rows = (key_rows, n_keys, width);
            multiply_shifted(format, key_rows, table, n_rows, (turned, TURNED, false));
            let shape = [n_keys, n_keys, n_rows];
            turn(format.lanes(), (turned.cast_const(), TURNED), shape, (s, layout.stride));
            let table = (tables.keys::<F>(self.head), tables.middle - place);
            multiply_shifted(
                format,
                (rows, n_rows, width),
                table,
                n_keys,
                (s, layout.stride, true),
            );
        }
    }

    /// From the gradient of a chunk's scores, `ds`, `[n_rows, n_keys]`: adds the gradients of the
    /// tables and of the keys (`dk`), and *writes* that of the queries (`dq`).
    #[inline(always)]
    pub(super) unsafe fn relative_gradients<F: Format>(
        &self,
        format: F,
        (ds, n_rows): (*const f32, usize),
        places: &[u32],
        (queries, keys): (Panels, Panels),
        [dq, dk]: [*mut f32; 2],
    ) {
        let Some((tables, [dtable_keys, dtable_queries])) = self.relative else { return };
        let (layout, n_keys) = (self.layout, self.n_keys);
        let (width, wide, kv_wide) =
            (self.heads.width, self.heads.query_width(), self.heads.key_value_width());
        let place = places[0] as usize;
        // SAFETY: `ds` is `n_rows` rows of `n_keys` columns `stride` apart with margins of zeros; the turned
        // gradient is `n_keys` rows, `TURNED_GRADIENT` apart, of at most `CHUNK` columns. `dq` has
        // `n_rows` rows `wide` apart, `dk` `n_keys` rows `kv_wide` apart, of `width` columns each; the
        // sums of the tables have a row for every distance, and belong to this run of blocks alone.
        unsafe {
            let room = self.room.add(layout.plain_len() + layout.key_rows + layout.turned);
            let steps = room.add(layout.turned_gradient);
            let first = tables.middle - place;
            let m = (ds, layout.stride, [n_rows, n_keys]);
            let table = (tables.key_components::<F>(self.head), first);
            add_rows_of_table(format, steps, m, table, (dq, wide, width, false));
            add_to_table(format, steps, m, (queries, first), (dtable_keys, wide, width));

            // The same with keys for rows.
            let turned = room.add(BEFORE_READ);
            let shape = [CHUNK, n_rows, n_keys];
            turn(format.lanes(), (ds, layout.stride), shape, (turned, TURNED_GRADIENT));
            let first = tables.middle + place;
            let m = (turned.cast_const(), TURNED_GRADIENT, [n_keys, n_rows]);
            let table = (tables.query_components::<F>(self.head), first);
            add_rows_of_table(format, steps, m, table, (dk, kv_wide, width, true));
            add_to_table(format, steps, m, (keys, first), (dtable_queries, wide, width));
        }
    }
}
