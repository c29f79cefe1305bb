use std::{fmt, num::ParseIntError, str::FromStr};

use sha2::{Digest as _, Sha256};

/// Stands for a whole specification where there is only room for a label.
///
/// The text form has 32 hexadecimal digits; a label's value in Kubernetes may have 63 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpecHash(u128);

/// Values in their order, each with its length before it: no two lists of values have one form.
#[derive(Default)]
pub struct CanonicalForm {
    sha256: Sha256,
}

impl CanonicalForm {
    pub fn number(&mut self, number: u64) {
        self.sha256.update(number.to_be_bytes());
    }

    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.sha256.update(text);
    }

    pub fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str>) {
        self.number(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }

    /// Returns the first half of SHA-256, which, unlike `std`'s hashers, is the same in each build.
    pub fn hash(self) -> SpecHash {
        let digest: [u8; 32] = self.sha256.finalize().into();
        let half = digest.first_chunk().expect("32 bytes have 16 in front");
        SpecHash(u128::from_be_bytes(*half))
    }
}

impl fmt::Display for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for SpecHash {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}
