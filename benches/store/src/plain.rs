//! What the machine allows: the bytes appended to a file, and fdatasync.

use std::{fs::File, io::Write as _, path::Path};

use bytes::Bytes;

use crate::contenders::{Contender, Failure};

pub(crate) struct Plain(File);

pub(crate) fn plain(dir: &Path) -> Result<Box<dyn Contender>, Failure> {
    std::fs::create_dir_all(dir)?;
    Ok(Box::new(Plain(File::create(dir.join("plain"))?)))
}

impl Contender for Plain {
    fn put(&mut self, _first: usize, messages: &[Bytes]) -> Result<(), Failure> {
        self.0.write_all(&messages.concat())?;
        Ok(self.0.sync_data()?)
    }

    fn delete(&mut self, _first: usize, _number: usize) -> Result<(), Failure> {
        unreachable!("only appends are measured")
    }

    fn scan(&mut self) -> Result<usize, Failure> {
        unreachable!("only appends are measured")
    }

    fn compact(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}
