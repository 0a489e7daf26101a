//! Instances into request bodies of a size that the service takes.

use serde_json::{Map, Value};
use stage::Failure;

/// A request body around its instances.
#[derive(Debug)]
pub(crate) struct Template {
    parameters: Option<Value>,
    /// Bytes of a request, at most.
    limit: usize,
    /// Instances of a request, at most.
    most: usize,
}

/// One request: its body, and which instances it asks about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) body: Vec<u8>,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

const HEAD: &str = "{\"instances\":[";

impl Template {
    pub(crate) fn new(
        parameters: Option<&Map<String, Value>>,
        limit: usize,
        most: Option<usize>,
    ) -> Self {
        let parameters = parameters.cloned().map(Value::Object);
        Self { parameters, limit, most: most.unwrap_or(usize::MAX) }
    }

    /// As many instances to a request as fit. `beside` goes into each.
    pub(crate) fn chunks<'a>(
        &'a self,
        instances: impl Iterator<Item = Result<String, Failure>> + 'a,
        mut beside: Map<String, Value>,
    ) -> impl Iterator<Item = Result<Chunk, Failure>> + 'a {
        if let Some(parameters) = &self.parameters {
            beside.insert("parameters".into(), parameters.clone());
        }
        let fields: Vec<_> = beside
            .iter()
            .map(|(key, value)| format!(",{}:{value}", Value::from(key.as_str())))
            .collect();
        let tail = format!("]{}}}", fields.concat());
        let mut instances = instances.peekable();
        let mut first = 0;
        std::iter::from_fn(move || {
            // The service wants to hear of an empty list once, not of nothing.
            if instances.peek().is_none() && first > 0 {
                return None;
            }
            let chunk = self.fill(&mut instances, &tail, first);
            first += chunk.as_ref().map_or(1, |chunk| chunk.count.max(1));
            Some(chunk)
        })
    }

    fn fill(
        &self,
        instances: &mut std::iter::Peekable<impl Iterator<Item = Result<String, Failure>>>,
        tail: &str,
        first: usize,
    ) -> Result<Chunk, Failure> {
        let mut body = HEAD.as_bytes().to_vec();
        let mut count = 0;
        let fits = |body: &[u8], next: &str| body.len() + 1 + next.len() + tail.len() <= self.limit;
        while let Some(next) = instances.next_if(|next| {
            count < self.most && next.as_ref().map_or(true, |next| fits(&body, next))
        }) {
            if count > 0 {
                body.push(b',');
            }
            body.extend_from_slice(next?.as_bytes());
            count += 1;
        }
        if count == 0
            && let Some(next) = instances.next()
        {
            let (index, size) = (first + 1, next?.len());
            let message =
                format!("instance {index} has {size} bytes, a request takes {}", self.limit);
            return Err(Failure::new(deployment::Kind::Refused, message)
                .hint("the service takes no larger request; send less in one instance"));
        }
        body.extend_from_slice(tail.as_bytes());
        Ok(Chunk { body, first, count })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bodies(limit: usize, instances: &[&str], beside: Value) -> Vec<Result<String, String>> {
        filled(&Template::new(None, limit, None), instances, beside)
    }

    fn filled(
        template: &Template,
        instances: &[&str],
        beside: Value,
    ) -> Vec<Result<String, String>> {
        let Value::Object(beside) = beside else { panic!("not an object") };
        let instances = instances.iter().map(|text| Ok((*text).to_owned()));
        let chunks = template.chunks(instances, beside).take(10);
        chunks
            .map(|chunk| match chunk {
                Ok(chunk) => Ok(String::from_utf8(chunk.body).unwrap()),
                Err(failure) => Err(format!("{failure:?}")),
            })
            .collect()
    }

    #[test]
    fn requests_are_filled_by_bytes() {
        let found = bodies(25, &["111", "222", "333", "44"], json!({}));
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, [r#"{"instances":[111,222]}"#, r#"{"instances":[333,44]}"#]);
        assert!(found.iter().all(|body| body.len() <= 25));
    }

    #[test]
    fn a_request_may_be_held_to_fewer_instances() {
        let template = Template::new(None, 99, Some(2));
        let found = filled(&template, &["1", "2", "3"], json!({}));
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        assert_eq!(found, [r#"{"instances":[1,2]}"#, r#"{"instances":[3]}"#]);
    }

    #[test]
    fn what_goes_beside_goes_into_each() {
        let found = bodies(30, &["1", "2"], json!({"a\"": [1.0]}));
        assert_eq!(found[0].as_ref().unwrap(), r#"{"instances":[1],"a\"":[1.0]}"#);
        assert_eq!(found[1].as_ref().unwrap(), r#"{"instances":[2],"a\"":[1.0]}"#);
    }

    #[test]
    fn no_instances_are_one_request() {
        assert_eq!(bodies(99, &[], json!({})), [Ok(r#"{"instances":[]}"#.to_owned())]);
    }

    #[test]
    fn an_instance_that_fits_nowhere_is_named() {
        let found = bodies(20, &["1", "22222222"], json!({}));
        assert!(found[1].as_ref().unwrap_err().contains("instance 2 has 8 bytes"), "{found:?}");
    }
}
