//! Types that bytes from elsewhere may be.

/// Types of which any bytes are a value, so that those of a file, or of memory that
/// others write to, may be.
///
/// # Safety
/// Each pattern of bytes is a value of the type, which has no padding and no reference.
pub unsafe trait Plain: Copy + 'static {}

macro_rules! plain {
    ($($type:ty)*) => {
        $(
            // SAFETY: a number, of which any bits are one.
            unsafe impl Plain for $type {}
        )*
    };
}

plain! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

// SAFETY: an array's bytes are those of its elements.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}
