use std::fmt;

/// A value that must not be seen: it cannot be printed, serialised or compared.
///
/// Whoever needs the value calls [`expose`](Self::expose), which is easy to find in review.
#[derive(Clone)]
pub struct Secret<T> {
    value: T,
}

impl<T> Secret<T> {
    pub const fn new(value: T) -> Self {
        Self { value }
    }

    /// Returns the value in clear. What is made of it must be as short-lived as it can be.
    pub const fn expose(&self) -> &T {
        &self.value
    }

    pub fn into_exposed(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
