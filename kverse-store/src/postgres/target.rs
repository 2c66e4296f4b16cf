//! Where the database is and how to connect to it: what its URL says.

use std::time::Duration;

use kverse_core::Error;
use rustls::ClientConfig;
use url::form_urlencoded;

use super::error::PostgresError;
use super::tls::{Trust, client_config};
use crate::DatabaseUrl;

/// How long a server may be silent, as far as its system is concerned, before its connections are given up.
const SILENCE: Duration = Duration::from_secs(10);

/// Where to connect.
#[derive(Debug)]
pub(super) struct Target {
    /// In the order of the URL. At least one.
    pub(super) hosts: Vec<Host>,
    /// `None`: never TLS.
    pub(super) tls: Option<ClientConfig>,
}

/// One of the servers that may have the database.
#[derive(Debug)]
pub(super) struct Host {
    /// As in the URL.
    pub(super) name: String,
    pub(super) config: tokio_postgres::Config,
}

impl Target {
    /// What the URL says. `sslmode`, `sslrootcert` and the rest mean what they mean to libpq, with these differences:
    /// `allow` and client certificates are refused; `prefer`, the default, goes on without TLS only if the server has
    /// none; without `sslrootcert` the authorities are those that the system trusts; and whatever the number of hosts,
    /// `target_session_attrs` is `read-write`.
    pub(super) fn new(url: &DatabaseUrl) -> Result<Self, PostgresError> {
        let (address, query) = match url.with_password().split_once('?') {
            Some((address, query)) => (address, query),
            None => (url.with_password(), ""),
        };
        let (mut mode, mut authorities) = ("prefer".to_owned(), None);
        let mut rest = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "sslmode" => mode = value.into_owned(),
                "sslrootcert" if value == "system" => authorities = None,
                "sslrootcert" => authorities = Some(value.into_owned()),
                "target_session_attrs" => check_session(&value)?,
                _ => drop(rest.append_pair(&name, &value)),
            }
        }
        let trust = match mode.as_str() {
            "disable" => None,
            // As libpq: who names authorities wants them asked.
            "require" if authorities.is_some() => Some(Trust::Authority),
            "prefer" | "require" => Some(Trust::Anyone),
            "verify-ca" => Some(Trust::Authority),
            "verify-full" => Some(Trust::Host),
            _ => {
                return Err(Error::invalid_input(format!(
                    "sslmode={mode} in the database's URL is not supported: \
                     expected disable, prefer, require, verify-ca or verify-full"
                ))
                .into());
            }
        };
        let plain_mode = match mode.as_str() {
            "disable" | "prefer" => mode.as_str(),
            _ => "require",
        };
        rest.append_pair("sslmode", plain_mode);
        // `+` for a space is not understood everywhere.
        let rest = rest.finish().replace('+', "%20");
        let hosts = each_host(address)?.into_iter().map(|(name, address)| {
            let mut config = format!("{address}?{rest}").parse().map_err(malformed)?;
            notice_silence(&mut config, query);
            Ok(Host { name, config })
        });
        Ok(Self {
            hosts: hosts.collect::<Result<_, Error>>()?,
            tls: trust
                .map(|trust| client_config(trust, authorities.as_deref()))
                .transpose()?,
        })
    }
}

/// The hosts of an address, each with the address that it would have alone.
fn each_host(address: &str) -> Result<Vec<(String, String)>, Error> {
    let login = address.find("://").map_or(0, |at| at + "://".len());
    let begin = address[login..]
        .find('@')
        .map_or(login, |at| login + at + 1);
    let path = address[begin..].find('/');
    let end = path.map_or(address.len(), |at| begin + at);
    let hosts = &address[begin..end];
    if address[begin..].contains('@') {
        // It is part of the password, which must not be shown as a host.
        return Err(Error::invalid_input(
            "the database's URL is malformed: an @ in a name or password must be written %40",
        ));
    }
    let alone = |host| format!("{}{host}{}", &address[..begin], &address[end..]);
    let hosts = hosts.split(',').map(|host| (host.to_owned(), alone(host)));
    Ok(hosts.collect())
}

/// A server that has lost its power, or its network, is noticed soon, unless the URL says when.
fn notice_silence(config: &mut tokio_postgres::Config, query: &str) {
    if !query.contains("tcp_user_timeout=") {
        config.tcp_user_timeout(SILENCE);
    }
    if !query.contains("keepalives") {
        config
            .keepalives_idle(SILENCE / 2)
            .keepalives_interval(SILENCE / 10)
            .keepalives_retries(5);
    }
}

/// A standby may be behind: what is read there may be out of date, so that the URL cannot ask for one.
fn check_session(wanted: &str) -> Result<(), Error> {
    if ["read-write", "primary"].contains(&wanted) {
        return Ok(());
    }
    Err(Error::invalid_input(format!(
        "target_session_attrs={wanted} in the database's URL is not supported: a standby may be behind, so only \
         read-write, the default, is"
    )))
}

fn malformed(error: tokio_postgres::Error) -> Error {
    use std::error::Error as _;

    // The cause names an option or a part of the URL, never its value.
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    Error::invalid_input(format!("the database's URL is malformed: {cause}"))
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::Host::{Tcp, Unix};
    use tokio_postgres::config::SslMode;

    use super::*;

    fn target(url: &str) -> Result<Target, Error> {
        Target::new(&url.parse().unwrap()).map_err(Error::from)
    }

    #[test]
    fn sslmode_decides_whether_tls_is_used() {
        for (mode, has_tls) in [("disable", false), ("prefer", true), ("require", true)] {
            let target = target(&format!("postgresql://u@h/d?sslmode={mode}")).unwrap();
            assert_eq!(target.tls.is_some(), has_tls, "{mode}");
        }
        assert!(target("postgresql://u@h/d").unwrap().tls.is_some());
    }

    #[test]
    fn other_options_stay_for_each_of_several_hosts() {
        let url = "postgresql://u:p%40ss@h:1,[::1]:2,i/d?application_name=a%20b&sslmode=verify-full&connect_timeout=3\
                   &target_session_attrs=read-write&keepalives_idle=7";
        let hosts = target(url).unwrap().hosts;
        let names: Vec<_> = hosts.iter().map(|host| &*host.name).collect();
        assert_eq!(names, ["h:1", "[::1]:2", "i"]);
        for (host, (name, port)) in hosts.iter().zip([("h", 1), ("::1", 2), ("i", 5432)]) {
            let config = &host.config;
            assert_eq!(config.get_hosts(), [Tcp(name.to_owned())]);
            assert_eq!(config.get_ports(), [port]);
            assert_eq!(config.get_dbname(), Some("d"));
            assert_eq!(config.get_user(), Some("u"));
            assert_eq!(config.get_application_name(), Some("a b"));
            assert_eq!(config.get_password(), Some(&b"p@ss"[..]));
            assert_eq!(config.get_ssl_mode(), SslMode::Require);
            assert_eq!(config.get_keepalives_idle(), Duration::from_secs(7));
            assert_eq!(config.get_tcp_user_timeout(), Some(&SILENCE));
        }
        let hosts = target("postgresql:///d?host=/run/postgresql")
            .unwrap()
            .hosts;
        assert_eq!(
            hosts[0].config.get_hosts(),
            [Unix("/run/postgresql".into())]
        );
    }

    #[test]
    fn what_is_wrong_is_named_without_the_password() {
        for (query, expected) in [
            ("sslmode=allow", "sslmode=allow"),
            ("sslmode=verify-ca&sslrootcert=/missing.pem", "/missing.pem"),
            ("sslkey=k", "sslkey"),
            ("target_session_attrs=any", "target_session_attrs=any"),
            (
                "target_session_attrs=prefer-standby",
                "a standby may be behind",
            ),
        ] {
            let error = target(&format!("postgresql://u:secret@h/d?{query}")).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(expected), "{message}");
            assert!(
                !format!("{error:?} {message}").contains("secret"),
                "{error:?}"
            );
        }
        let error = target("postgresql://u:top@secret@h/d").unwrap_err();
        assert!(error.to_string().contains("%40"), "{error}");
        assert!(
            !format!("{error:?} {error}").contains("secret"),
            "{error:?}"
        );
    }
}
