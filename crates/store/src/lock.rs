//! One writer per store: an advisory lock on a file beside it, released by the kernel when the process ends.

use crate::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

pub(crate) struct Lock(File);

impl Lock {
    /// Lets another process in. Dropping does so too, but a store may be shared by whoever still holds a clone.
    pub(crate) fn release(&self) {
        let _ = self.0.unlock();
    }

    pub(crate) fn acquire(store: &Path) -> Result<Self, StoreError> {
        // By its real name: a link to a store is the same store.
        let real = std::fs::canonicalize(store).unwrap_or_else(|_| store.to_owned());
        let mut path = real.into_os_string();
        path.push(".lock");
        let path = std::path::PathBuf::from(path);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|source| StoreError::Lock { path: path.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { path: store.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StoreError::Lock { path, source }),
        }
    }
}
