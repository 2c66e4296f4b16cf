//! Where the dashboard leads to.

use actix_web::http::Uri;

/// What belongs to the service beside it.
#[derive(Clone, Debug, Default, clap::Args)]
#[non_exhaustive]
pub struct LinksConfig {
    /// A web page on which people look at the database, such as pgAdmin: the dashboard links to it, for everyone who sees
    /// the dashboard [default: none]
    #[arg(long, env = "KVERSE_DATABASE_GUI_URL", value_name = "URL", value_parser = parse_link)]
    database_gui_url: Option<String>,

    /// The Grafana with the charts of this service: the dashboard links to it, for everyone who sees the dashboard
    /// [default: none]
    #[arg(long, env = "KVERSE_GRAFANA_URL", value_name = "URL", value_parser = parse_link)]
    grafana_url: Option<String>,
}

impl LinksConfig {
    /// The page of the database.
    pub fn database_gui_url(&self) -> Option<&str> {
        given(self.database_gui_url.as_deref())
    }

    /// Grafana.
    pub fn grafana_url(&self) -> Option<&str> {
        given(self.grafana_url.as_deref())
    }
}

/// An empty variable is none.
fn given(url: Option<&str>) -> Option<&str> {
    url.filter(|url| !url.is_empty())
}

fn parse_link(url: &str) -> Result<String, &'static str> {
    const EXPECTED: &str =
        "expected an http:// or https:// URL, such as https://grafana.example.com/d/kverse";
    if url.is_empty() {
        return Ok(String::new());
    }
    let Ok(uri) = url.parse::<Uri>() else {
        return Err(EXPECTED);
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err("expected a URL without user and password: everyone sees it")
        }
        (Some("http" | "https"), Some(authority)) if !authority.host().is_empty() => {
            Ok(url.to_owned())
        }
        _ => Err(EXPECTED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    #[test]
    fn links_lead_to_web_pages() {
        for good in [
            "http://127.0.0.1:3002",
            "https://grafana.example.com/d/kverse?orgId=1",
            "http://[::1]:5051/",
        ] {
            let config = Config::try_from_args(["--grafana-url", good]).unwrap();
            assert_eq!(config.links.grafana_url(), Some(good));
            assert_eq!(config.links.database_gui_url(), None);
        }
        let config = Config::try_from_args(["--database-gui-url", ""]).unwrap();
        assert_eq!(config.links.database_gui_url(), None);
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "ftp://host/",
            "localhost:3000",
            "/grafana",
            "//host",
            "http://",
            "http:///path",
            "https://a b",
            "grafana",
        ] {
            for option in ["--grafana-url", "--database-gui-url"] {
                let error = Config::try_from_args([option, bad])
                    .unwrap_err()
                    .to_string();
                assert!(error.contains("expected an http://"), "{bad}: {error}");
                assert!(error.contains(option), "{bad}: {error}");
            }
        }
        let error = parse_link("https://me:secret@host/").unwrap_err();
        assert!(error.contains("password"), "{error}");
    }
}
