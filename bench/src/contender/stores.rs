//! Stores on disk that keep blobs under keys: cacache, redb and fjall.

use super::{Operation, Subject};
use crate::Failure;
use crate::objects::{chunks, encoded_meta};
use bytes::Bytes;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};
use std::path::{Path, PathBuf};

const AS_BLOB: &str = "meta as undecoded bytes, body in one piece";

/// Meta and body in one buffer, as such a store takes them.
fn blob(meta: &Bytes, body: &Bytes) -> Vec<u8> {
    let mut blob = Vec::with_capacity(meta.len() + body.len());
    blob.extend_from_slice(meta);
    chunks(body).for_each(|(chunk, _)| blob.extend_from_slice(&chunk));
    blob
}

/// cacache: a file for each content, found through a file for each key.
pub struct Cacache {
    dir: PathBuf,
    meta: Bytes,
}

impl Cacache {
    /// In a directory of its own.
    pub fn new(dir: &Path) -> Result<Self, Failure> {
        Ok(Cacache {
            dir: dir.join("cacache"),
            meta: encoded_meta()?,
        })
    }
}

impl Subject for Cacache {
    fn name(&self) -> &str {
        "cacache"
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        Some(match operation {
            Operation::Fill(_) => "content is addressed by its hash: each body was made another by its id",
            Operation::Purge => "the key goes, the content stays",
            _ => "meta as undecoded bytes, body in one piece, checked by XXH3",
        })
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        match cacache::read_sync(&self.dir, id.to_string()) {
            Ok(blob) => Ok(Some(blob.len() - self.meta.len())),
            Err(cacache::Error::EntryNotFound(..)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        let mut blob = blob(&self.meta, body);
        let end = blob.len() - body.len().min(8);
        let tail = &id.to_le_bytes()[..body.len().min(8)];
        blob[end..].copy_from_slice(tail);
        cacache::write_sync_with_algo(cacache::Algorithm::Xxh3, &self.dir, id.to_string(), blob)?;
        Ok(())
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        Ok(cacache::remove_sync(&self.dir, id.to_string())?)
    }
}

const OBJECTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("objects");

/// redb: a B-tree in one file.
pub struct Redb {
    database: Database,
    meta: Bytes,
}

impl Redb {
    /// In a file of its own, with a cache of its own of this size.
    pub fn new(dir: &Path, cache_bytes: usize) -> Result<Self, Failure> {
        let database = Database::builder()
            .set_cache_size(cache_bytes)
            .create(dir.join("redb"))?;
        let redb = Redb {
            database,
            meta: encoded_meta()?,
        };
        redb.write(|table| table.remove(&0).map(|_| ()))?; // makes the table
        Ok(redb)
    }

    fn write(
        &self,
        change: impl FnOnce(&mut redb::Table<'_, u64, &'static [u8]>) -> Result<(), redb::StorageError>,
    ) -> Result<(), Failure> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::None)?;
        change(&mut transaction.open_table(OBJECTS)?)?;
        Ok(transaction.commit()?)
    }
}

impl Subject for Redb {
    fn name(&self) -> &str {
        "redb"
    }

    fn note(&self, operation: Operation) -> Option<&'static str> {
        Some(match operation {
            Operation::Fill(_) | Operation::Purge => "a transaction each, without durability",
            _ => AS_BLOB,
        })
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        let table = self.database.begin_read()?.open_table(OBJECTS)?;
        let found = table.get(&id)?;
        // The guard borrows from the transaction; a response needs a buffer of its own.
        Ok(found.map(|blob| std::hint::black_box(blob.value().to_vec()).len() - self.meta.len()))
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        let blob = blob(&self.meta, body);
        self.write(|table| table.insert(&id, &blob[..]).map(|_| ()))
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        self.write(|table| table.remove(&id).map(|_| ()))
    }
}

/// fjall: a log-structured tree, large values beside it.
pub struct Fjall {
    /// Holds the background threads.
    _database: fjall::Database,
    objects: fjall::Keyspace,
    meta: Bytes,
}

impl Fjall {
    /// In a directory of its own, with a cache of its own of this size.
    pub fn new(dir: &Path, cache_bytes: u64) -> Result<Self, Failure> {
        let database = fjall::Database::builder(dir.join("fjall"))
            .cache_size(cache_bytes)
            .open()?;
        let options = || {
            fjall::KeyspaceCreateOptions::default()
                .with_kv_separation(Some(fjall::KvSeparationOptions::default()))
        };
        let objects = database.keyspace("objects", options)?;
        Ok(Fjall {
            _database: database,
            objects,
            meta: encoded_meta()?,
        })
    }
}

impl Subject for Fjall {
    fn name(&self) -> &str {
        "fjall"
    }

    fn note(&self, _operation: Operation) -> Option<&'static str> {
        Some("meta as undecoded bytes, body in one piece; what was written last is read from its memory")
    }

    async fn get(&self, id: u64) -> Result<Option<usize>, Failure> {
        let found = self.objects.get(id.to_be_bytes())?;
        Ok(found.map(|blob| std::hint::black_box(blob).len() - self.meta.len()))
    }

    async fn put(&self, id: u64, body: &Bytes) -> Result<(), Failure> {
        Ok(self.objects.insert(id.to_be_bytes(), blob(&self.meta, body))?)
    }

    async fn remove(&self, id: u64) -> Result<(), Failure> {
        Ok(self.objects.remove(id.to_be_bytes())?)
    }
}
