//! Why a version does not come up, as far as it can be known.

use stage::Failure;

/// The service's own text, and what is known of its causes.
pub(super) fn failure(doing: &str, message: &str) -> Failure {
    let failure = Failure::failed(format!("cannot {doing}")).because(message);
    match hint(message) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn hint(message: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 7] = [
        (
            "failed to install",
            "the package or one of its requirements does not install there; \
            try it here: pip install --target DIR the sdist in the bundle's dist/",
        ),
        ("cannot be found", "predictionClass must be MODULE.CLASS of a module in the package"),
        ("invalid signature", "predict must take exactly (self, instances) and **kwargs"),
        (
            "No module named",
            "the model needs a package that its requirements.txt does not name; \
            add it: aip-bundle --requirement NAME==VERSION",
        ),
        ("memory", "the model is too large for the machine; try --machine-type mls1-c4-m2"),
        ("deadline", "loading took too long; look at what from_path does"),
        (
            "Failed to load model",
            "from_path raised; the model's requirements must be installable \
            on the Python that serves it",
        ),
    ];
    KNOWN.iter().find(|(text, _)| message.contains(text)).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_failures_have_a_hint() {
        let text = "Create Version failed. Bad model detected with error:  \"Failed to load model: \
                    User-provided package x.tar.gz failed to install: … (Error code: 0)\"";
        assert!(hint(text).unwrap().contains("pip install"));
        assert_eq!(hint("something else"), None);
    }
}
