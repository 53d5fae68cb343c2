//! How the tables came to be. A migration that any store may hold is never changed: a later one mends it.

use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

pub(crate) static ALL: Migrator = sqlx::migrate!("./migrations");

/// The one that was changed after stores held it, and the digest (SHA-384) that these remember. What it makes is the same.
const CHANGED: i64 = 7;
const ITS_FORMER_DIGEST: &str =
    "02a603a28892e4a8f4253b830f84dc4f25a24bf0149c35980a835f777fbcf30db74a807f54f877859453d5208b5073fc";

/// Lets stores with the former text of a migration pass.
pub(crate) async fn adopt(db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let is_new = sqlx::query("SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations'")
        .fetch_optional(&mut *db)
        .await?
        .is_none();
    let Some(now) = ALL.iter().find(|migration| migration.version == CHANGED).filter(|_| !is_new) else {
        return Ok(());
    };
    sqlx::query("UPDATE _sqlx_migrations SET checksum = ? WHERE version = ? AND lower(hex(checksum)) = ?")
        .bind(&now.checksum[..])
        .bind(CHANGED)
        .bind(ITS_FORMER_DIGEST)
        .execute(db)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_that_stores_hold_stay_as_they_are() {
        let digest =
            |checksum: &[u8]| checksum.iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>();
        let found: Vec<(i64, String)> = ALL.iter().map(|m| (m.version, digest(&m.checksum))).collect();
        let expected = [
            (1, "a02c8ada"),
            (2, "58a3a27c"),
            (3, "efa40f07"),
            (4, "1dd5815f"),
            (5, "ddfd98e0"),
            (6, "1ee22793"),
            (7, "bba8833d"),
            (8, "a25c36d8"),
            (9, "b757f983"),
            (10, "bdec00dc"),
            (11, "e0127913"),
        ];
        let expected: Vec<(i64, String)> =
            expected.map(|(version, digest): (i64, &str)| (version, digest.to_owned())).to_vec();
        assert_eq!(found, expected, "add a migration; a store refuses one that was changed");
    }
}
