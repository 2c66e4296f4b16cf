//! The URL of a database, which may hold a password.

use std::fmt;
use std::str::FromStr;

use kverse_core::{Error, Result};

/// The URL of a PostgreSQL database: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full`. `Display` and
/// `Debug` leave the password out.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// The URL with its password.
    pub fn with_password(&self) -> &str {
        &self.0
    }
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        let is_known = ["postgresql://", "postgres://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        if is_known {
            Ok(Self(url.to_owned()))
        } else {
            // Not echoed: it may hold a password.
            Err(Error::invalid_input(
                "the database's URL must begin with postgresql://",
            ))
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, rest) = self.0.split_once("://").unwrap_or(("postgresql", ""));
        let (address, query) = match rest.split_once('?') {
            Some((address, query)) => (address, Some(query)),
            None => (rest, None),
        };
        write!(f, "{scheme}://")?;
        // A password may hold any character that was not encoded, so everything up to the last @ is taken for one.
        match address.rsplit_once('@') {
            Some((login, host)) => match login.split_once(':') {
                Some((user, _)) => write!(f, "{user}:***@{host}")?,
                None => write!(f, "{login}@{host}")?,
            },
            None => f.write_str(address)?,
        }
        for (index, option) in query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .enumerate()
        {
            f.write_str(if index == 0 { "?" } else { "&" })?;
            match option.split_once('=') {
                Some((name, _)) if name.contains("pass") => write!(f, "{name}=***")?,
                _ => f.write_str(option)?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://u:secret@h/d", "postgres://u:***@h/d"),
            (
                "postgresql://u:se@cret@h:1,i:2/d",
                "postgresql://u:***@h:1,i:2/d",
            ),
            ("postgresql://u:se/cret@h/d", "postgresql://u:***@h/d"),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            (
                "postgresql:///d?user=u&password=secret&sslmode=require",
                "postgresql:///d?user=u&password=***&sslmode=require",
            ),
        ] {
            let url: DatabaseUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
        let error = "mysql://u:secret@h/d".parse::<DatabaseUrl>().unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }
}
