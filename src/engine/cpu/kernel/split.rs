//! Slices whose chunks are written by different tasks.

use std::marker::PhantomData;

/// A unique borrow of a slice, cut into runs of `chunk` values.
#[derive(Debug)]
pub struct Cut<'a, T> {
    start: *mut T,
    len: usize,
    chunk: usize,
    borrow: PhantomData<&'a mut [T]>,
}

/// Cuts `values` into runs of `chunk` values, the last of which may be shorter.
pub fn cut<T>(values: &mut [T], chunk: usize) -> Cut<'_, T> {
    let (len, chunk) = (values.len(), chunk.max(1));
    Cut { start: values.as_mut_ptr(), len, chunk, borrow: PhantomData }
}

impl<T> Cut<'_, T> {
    /// Where the slice starts, for tasks whose parts are not runs of it.
    pub(super) fn start(&self) -> *mut T {
        self.start
    }
}

// SAFETY: a shared `Cut` only gives out its parts, through `Split::part`, whose contract makes them
// disjoint; giving a part to another thread needs `T: Send`.
#[expect(unsafe_code, reason = "shared between threads that take disjoint parts")]
unsafe impl<T: Send> Sync for Cut<'_, T> {}

/// One slice, or several, cut into numbered parts.
pub trait Split: Sync {
    /// What one task owns.
    type Part;

    /// How many parts there are.
    fn n_parts(&self) -> usize;

    /// The part `index`.
    ///
    /// # Safety
    /// No index may be asked for twice.
    #[expect(unsafe_code, reason = "part of a contract on aliasing")]
    unsafe fn part(&self, index: usize) -> Self::Part;
}

impl<'a, T: Send> Split for Cut<'a, T> {
    type Part = &'a mut [T];

    fn n_parts(&self) -> usize {
        self.len.div_ceil(self.chunk)
    }

    #[expect(unsafe_code, reason = "makes a slice from a pointer")]
    unsafe fn part(&self, index: usize) -> &'a mut [T] {
        let start = (index * self.chunk).min(self.len);
        let end = (start + self.chunk).min(self.len);
        // SAFETY: the range lies inside the borrowed slice, and parts of different indices do not
        // overlap; the caller asks for each index once.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), end - start) }
    }
}

macro_rules! split_tuple {
    ($($name:ident $field:tt),+) => {
        impl<$($name: Split),+> Split for ($($name,)+) {
            type Part = ($($name::Part,)+);

            fn n_parts(&self) -> usize {
                self.0.n_parts()
            }

            #[expect(unsafe_code, reason = "passes the contract on")]
            unsafe fn part(&self, index: usize) -> Self::Part {
                // SAFETY: the caller asks for each index once, so each slice is asked once as well.
                unsafe { ($(self.$field.part(index),)+) }
            }
        }
    };
}

split_tuple!(A 0, B 1);
split_tuple!(A 0, B 1, C 2);
split_tuple!(A 0, B 1, C 2, D 3);
