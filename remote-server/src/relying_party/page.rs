//! The page that draws the dance, with a policy that lets nothing run but what is compiled in. It holds no
//! data of its own.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha256};

const PAGE: &str = include_str!("page.html");

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let (script, style) = (source("script"), source("style"));
    format!(
        "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    )
});

pub async fn answer() -> impl IntoResponse {
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY.as_str())];
    (headers, PAGE)
}

/// The page's only element of this name, as the policy calls it: by its SHA-256.
fn source(element: &str) -> String {
    match text_of(element) {
        Some(text) => {
            let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
            format!("'sha256-{}'", Base64::encode_string(&digest))
        }
        None => "'none'".to_owned(),
    }
}

fn text_of(element: &str) -> Option<&'static str> {
    let (_, from) = PAGE.split_once(&format!("<{element}>"))?;
    from.split_once(&format!("</{element}>")).map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_script_and_one_style_and_nothing_from_elsewhere() {
        for element in ["script", "style"] {
            assert!(text_of(element).is_some_and(|text| !text.trim().is_empty()), "{element}");
            assert_eq!(PAGE.matches(&format!("<{element}")).count(), 1, "{element}");
        }
        for forbidden in
            ["src=", "href=", "url(", "@import", "http:", "https:", "innerHTML", "eval(", " style="]
        {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
        for handler in ["onclick=", "onload=", "onerror="] {
            assert!(!PAGE.contains(handler), "{handler}");
        }
    }

    #[test]
    fn the_policy_allows_what_is_compiled_in() {
        assert_eq!(POLICY.matches("'sha256-").count(), 2);
        assert!(POLICY.starts_with("default-src 'none'"));
        assert!(!POLICY.contains("unsafe"));
    }
}
