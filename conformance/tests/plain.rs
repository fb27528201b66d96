//! A backend under the contract by plain tests.

use forebay_conformance::{Harness, Opened, Site, async_trait, reference::ReferenceStorage};
use std::sync::Arc;

struct Reference;

#[async_trait]
impl Harness for Reference {
    fn name(&self) -> &str {
        "reference"
    }

    async fn open(&self, _site: &Site) -> Opened {
        Ok(Arc::new(ReferenceStorage::new()))
    }
}

mod contract {
    forebay_conformance::tests!(super::Reference);
}

#[test]
#[should_panic(expected = "there is no rule SEEK-NOWHERE")]
fn a_rule_that_does_not_exist_is_an_error() {
    forebay_conformance::assert_rule(Reference, "seek_nowhere");
}
