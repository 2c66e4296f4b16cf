//! Access tokens.

mod verb;

pub use self::verb::Verb;
