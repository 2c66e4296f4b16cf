//! The files of the dashboard, and which form of one a client takes.

use std::borrow::Cow;
use std::iter;

use actix_web::HttpRequest;
use actix_web::http::header::{AcceptEncoding, Encoding, EntityTag, Header};
use bytes::Bytes;
use rust_embed::{DynRustEmbed, Embed, EmbeddedFile};
use sha2::{Digest, Sha256};

use crate::validators::entity_tag;

/// What the build of `web/` leaves: in a release build as it was when that was made, in others as it is now.
#[derive(Embed)]
#[folder = "../web/dist"]
struct Dist;

const PAGE: &str = "index.html";
/// What is shown where there is no page.
const PLACEHOLDER: &str = include_str!("placeholder.html");

/// The files of the dashboard: the page, other files beside it, and those in `assets/`, some of them compressed already.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    files: &'static (dyn DynRustEmbed + Sync),
}

/// One form of a file.
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) tag: EntityTag,
    pub(crate) content_type: String,
    /// `None`: the file as it is.
    pub(crate) encoding: Option<String>,
}

impl Site {
    /// The dashboard of this binary.
    pub(crate) fn embedded() -> Self {
        Self { files: &Dist }
    }

    /// The page, or if it is not built one that says so.
    pub(crate) fn page(self, request: &HttpRequest) -> File {
        self.get(request, PAGE).unwrap_or_else(|| File {
            bytes: Bytes::from_static(PLACEHOLDER.as_bytes()),
            tag: entity_tag(&Sha256::digest(PLACEHOLDER)),
            content_type: content_type(PAGE),
            encoding: None,
        })
    }

    /// The file of this name in `assets/`.
    pub(crate) fn asset(self, request: &HttpRequest, name: &str) -> Option<File> {
        is_name(name).then(|| self.get(request, &format!("assets/{name}")))?
    }

    /// The file at this path beside the page.
    pub(crate) fn file(self, request: &HttpRequest, path: &str) -> Option<File> {
        self.get(request, beside_the_page(path)?)
    }

    /// Whether there is a file at this path beside the page.
    pub(crate) fn has(self, path: &str) -> bool {
        beside_the_page(path).is_some_and(|name| self.files.get(name).is_some())
    }

    /// The file in the form that the client likes best.
    fn get(self, request: &HttpRequest, path: &str) -> Option<File> {
        let identity = Encoding::identity();
        let plain = self.files.get(path)?;
        let encoded = [(Encoding::brotli(), "br"), (Encoding::gzip(), "gz")];
        let mut forms: Vec<(Encoding, EmbeddedFile)> = encoded
            .into_iter()
            .filter_map(|(encoding, extension)| {
                let file = self.files.get(&format!("{path}.{extension}"))?;
                Some((encoding, file))
            })
            .collect();
        let offered = iter::once(&identity).chain(forms.iter().map(|(encoding, _)| encoding));
        // Who takes nothing that there is, or says so in a way that nobody understands, gets the file as it is.
        let chosen = AcceptEncoding::parse(request).map(|accepted| accepted.negotiate(offered));
        let chosen = chosen.unwrap_or_default().unwrap_or(identity);
        let form = forms.iter().position(|(encoding, _)| *encoding == chosen);
        let (encoding, file) = form.map_or((None, plain), |form| {
            let (encoding, file) = forms.swap_remove(form);
            (Some(encoding.to_string()), file)
        });
        Some(File {
            tag: entity_tag(&file.metadata.sha256_hash()),
            bytes: match file.data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            },
            content_type: content_type(path),
            encoding,
        })
    }
}

/// The name in a path of a file beside the page. The page is not among them: it has paths of its own.
fn beside_the_page(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    // Quick to see of most paths: they have no dot.
    (name.contains('.') && is_name(name) && name != PAGE).then_some(name)
}

/// Whether this can be the name of a file: no path that leads elsewhere, nothing hidden, and no compressed form, which is
/// not a file of its own.
fn is_name(name: &str) -> bool {
    let is_compressed = || name.ends_with(".br") || name.ends_with(".gz");
    !name.starts_with('.') && !name.contains(['/', '\\']) && !is_compressed()
}

/// The type by the extension; all texts are UTF-8.
fn content_type(path: &str) -> String {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    if guess.type_() == "text" {
        format!("{guess}; charset=utf-8")
    } else {
        guess.to_string()
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod fixture {
    use super::*;

    #[derive(Embed)]
    #[folder = "src/dashboard/fixture"]
    struct Fixture;

    #[derive(Embed)]
    #[folder = "src/dashboard/fixture/none"]
    #[allow_missing = true]
    struct Nothing;

    impl Site {
        /// A small dashboard.
        pub(crate) fn fixture() -> Self {
            Self { files: &Fixture }
        }

        /// One that is not built.
        pub(crate) fn not_built() -> Self {
            Self { files: &Nothing }
        }
    }
}
