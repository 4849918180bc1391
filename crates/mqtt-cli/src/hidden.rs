//! [`Hidden`]: a word of the command line that may hold a password, and so is not shown by `Debug`.

use std::fmt;
use std::ops::Deref;

#[derive(Clone)]
pub(crate) struct Hidden(String);

impl From<String> for Hidden {
    fn from(word: String) -> Self {
        Hidden(word)
    }
}

impl Deref for Hidden {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
