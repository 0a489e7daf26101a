//! Requests out, predictions in, in order.

use log::debug;
use serde_json::json;
use serde_json::value::RawValue;
use stage::{Failure, Output, Process};

use crate::answer::{Answer, Predictions};
use crate::digits;
use crate::format::OutputFormat;
use crate::instances::Instances;
use crate::oracle::{Oracle, Told};
use crate::request::{Chunk, Template};

pub(crate) struct Asking<'a> {
    pub(crate) oracle: &'a Oracle,
    pub(crate) jobs: usize,
    pub(crate) dry: bool,
    pub(crate) process: &'a Process,
}

impl Asking<'_> {
    /// A few requests at a time, then their answers in order, then the next
    /// few: what is held at once is bounded, whatever the length of the input.
    pub(crate) fn ask(
        &self,
        template: &Template,
        instances: Instances,
        output: OutputFormat,
    ) -> Result<Output, Failure> {
        let mut answer = Answer::new(output);
        let mut chunks = template.chunks(instances.each, instances.beside);
        loop {
            let few: Vec<_> = chunks.by_ref().take(self.jobs).collect::<Result<_, _>>()?;
            if few.is_empty() {
                return Ok(if self.dry {
                    Output::Json(json!({"dryRun": true}))
                } else {
                    answer.finish()
                });
            }
            if self.dry {
                for chunk in &few {
                    self.show(chunk);
                }
                continue;
            }
            let told = transport::for_each(few, self.jobs, |chunk| self.once(template, &chunk))?;
            for predictions in told.into_iter().flatten() {
                answer.add(predictions)?;
            }
        }
    }

    fn show(&self, chunk: &Chunk) {
        let shown = self.oracle.service.api().describe(&self.oracle.request);
        let (count, bytes) = (chunk.count, chunk.body.len());
        self.process.would(&format!("{shown} ({count} instances, {bytes} bytes)"));
    }

    /// The answer, or the answers of its parts where it was too large for one.
    fn once(&self, template: &Template, chunk: &Chunk) -> Result<Vec<Predictions>, Failure> {
        let Chunk { first, count, .. } = *chunk;
        let which = match count {
            0 | 1 => format!("instance {}", first + 1),
            _ => format!("instances {} to {}", first + 1, first + count),
        };
        if self.oracle.rounds() {
            digits::warn_of_long_numbers(&chunk.body);
        }
        match self.oracle.ask(chunk.body.clone(), &which) {
            Ok(told) => Ok(vec![predictions(told, count)]),
            Err(refusal) if refusal.too_large => {
                let Some(halves) = chunk.halves() else { return Err(refusal.failure) };
                debug!("{which}: too large for one answer");
                template.shrink(chunk.body.len() / 2);
                let [left, right] = halves.map(|half| self.once(template, &half));
                Ok([left?, right?].into_iter().flatten().collect())
            }
            Err(refusal) => Err(refusal.failure),
        }
    }
}

fn predictions(told: Told, count: usize) -> Predictions {
    let each = |list: &RawValue| {
        let list = serde_json::from_str::<Vec<Box<RawValue>>>(list.get());
        list.ok().filter(|list| list.len() == count)
    };
    let by = told.version;
    match (each(&told.predictions), told.explanations.as_deref().map(each)) {
        (Some(list), None) => Predictions::Each { list, explanations: None, by },
        (Some(list), Some(Some(explanations))) => {
            Predictions::Each { list, explanations: Some(explanations), by }
        }
        _ => Predictions::Whole {
            predictions: told.predictions,
            explanations: told.explanations,
            by,
        },
    }
}
