//! What an error type needs besides its variants, a line for each: its text, its source, what converts into it.
//!
//! A derive macro would do the same; it takes six crates to build.

/// How many characters are kept of text that is not what it was given for: it may be anything, and of any length.
const KEPT: usize = 100;

/// What an error says of such text.
pub(crate) fn beginning(text: &str) -> &str {
    text.char_indices().nth(KEPT).map_or(text, |(end, _)| &text[..end])
}

/// `Display` and `Error`. A line is `pattern => "text";`, and after the text what it needs besides what the pattern binds;
/// `pattern => source name, "text";` where something else is the cause.
macro_rules! error_texts {
    ($type:ty { $($pattern:pat => $(source $source:ident,)? $text:literal $(, $argument:expr)*;)+ }) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    $($pattern => write!(f, $text $(, $argument)*),)+
                }
            }
        }

        impl std::error::Error for $type {
            #[allow(unused_variables)] // Most of what a pattern binds is for the text.
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    $($pattern => crate::error_texts::error_source!($($source)?),)+
                }
            }
        }
    };
}

macro_rules! error_source {
    () => {
        None
    };
    ($source:ident) => {
        Some($source)
    };
}

/// `From` for the variants that hold nothing but another error, so that `?` makes one of the other.
macro_rules! error_conversions {
    ($type:ident { $($variant:ident($from:ty)),+ $(,)? }) => {
        $(impl From<$from> for $type {
            fn from(error: $from) -> Self {
                $type::$variant(error)
            }
        })+
    };
}

pub(crate) use {error_conversions, error_source, error_texts};
