//! Instances into request bodies of a size that the service takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use stage::Failure;

/// A request body around its instances.
#[derive(Debug)]
pub(crate) struct Template {
    parameters: Option<Value>,
    /// Bytes of a request, at most.
    limit: usize,
    /// Bytes that requests are filled to: fewer, once an answer was too large.
    fill: AtomicUsize,
    /// Instances of a request, at most.
    most: usize,
}

/// One request: its body, and which instances it asks about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) body: Vec<u8>,
    pub(crate) first: usize,
    pub(crate) count: usize,
    /// Bytes of the body after the instances.
    tail: usize,
}

const HEAD: &str = "{\"instances\":[";

impl Chunk {
    /// The same in two requests; nothing where there is one instance.
    pub(crate) fn halves(&self) -> Option<[Self; 2]> {
        let end = self.body.len() - self.tail;
        let tail = &self.body[end..];
        // The instances with the brackets around them.
        let list = &self.body[HEAD.len() - 1..=end];
        let instances: Vec<&RawValue> = serde_json::from_slice(list).ok()?;
        if instances.len() < 2 {
            return None;
        }
        let (left, right) = instances.split_at(instances.len() / 2);
        let chunk = |instances: &[&RawValue], first| {
            let texts: Vec<_> = instances.iter().map(|instance| instance.get()).collect();
            let body = [HEAD.as_bytes(), texts.join(",").as_bytes(), tail].concat();
            Self { body, first, count: instances.len(), tail: self.tail }
        };
        Some([chunk(left, self.first), chunk(right, self.first + left.len())])
    }
}

impl Template {
    pub(crate) fn new(
        parameters: Option<&Map<String, Value>>,
        limit: usize,
        most: Option<usize>,
    ) -> Self {
        let parameters = parameters.cloned().map(Value::Object);
        let (fill, most) = (AtomicUsize::new(limit), most.unwrap_or(usize::MAX));
        Self { parameters, limit, fill, most }
    }

    /// From now on, requests of at most so many bytes, if instances allow it.
    pub(crate) fn shrink(&self, size: usize) {
        self.fill.fetch_min(size, Ordering::Relaxed);
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
        let fill = self.fill.load(Ordering::Relaxed);
        let fits = |body: &[u8], next: &str, size| body.len() + 1 + next.len() + tail.len() <= size;
        while let Some(next) = instances.next_if(|next| {
            // One goes alone, however large, as long as the service takes it.
            let size = if count == 0 { self.limit } else { fill };
            count < self.most && next.as_ref().map_or(true, |next| fits(&body, next, size))
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
        Ok(Chunk { body, first, count, tail: tail.len() })
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
    fn a_request_can_be_sent_in_halves() {
        let template = Template::new(None, 99, None);
        let instances = ["[1, 2]", "\"],[\"", "3"].map(|text| Ok(text.to_owned()));
        let Value::Object(beside) = json!({"a": [1.0]}) else { panic!("not an object") };
        let chunk = template.chunks(instances.into_iter(), beside).next().unwrap().unwrap();
        let [left, right] = chunk.halves().unwrap();
        assert_eq!(left.body, br#"{"instances":[[1, 2]],"a":[1.0]}"#);
        assert_eq!(right.body, br#"{"instances":["],[",3],"a":[1.0]}"#);
        assert_eq!((right.first, right.count), (1, 2));
        assert!(left.halves().is_none() && right.halves().is_some());
    }

    #[test]
    fn requests_become_smaller_but_not_smaller_than_an_instance() {
        let template = Template::new(None, 99, None);
        template.shrink(20);
        let found = filled(&template, &["1", "2", "\"0123456789\"", "3"], json!({}));
        let found: Vec<_> = found.into_iter().map(Result::unwrap).collect();
        let want =
            [r#"{"instances":[1,2]}"#, r#"{"instances":["0123456789"]}"#, r#"{"instances":[3]}"#];
        assert_eq!(found, want);
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
