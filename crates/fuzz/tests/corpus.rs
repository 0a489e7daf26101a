//! Every input that is kept holds.

use std::path::Path;

#[test]
fn corpora() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (name, target) in fuzz::TARGETS {
        let inputs = std::fs::read_dir(corpora.join(name)).expect(name);
        let mut count = 0;
        for input in inputs {
            let path = input.unwrap().path();
            println!("{}", path.display()); // shown for the one that fails
            target(&std::fs::read(&path).unwrap());
            count += 1;
        }
        assert!(count > 0, "{name} has no corpus");
    }
}
