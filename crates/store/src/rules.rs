use domain::{PolicyRule, RuleId};

use crate::{
    AuditEvent, Store, StoreError,
    error::db,
    store::{corrupt, ms, number, time},
};

/// The most rules that there can be. Each is tried at each call.
pub const RULES_MAX: u64 = 1_000;

impl Store {
    /// Adds a rule, up to [`RULES_MAX`]. Returns whether there is such a server as it names.
    pub async fn add_rule(
        &self,
        rule: &PolicyRule,
        audit: &AuditEvent,
    ) -> Result<bool, StoreError> {
        let sql = "INSERT INTO policy_rules (id, server_id, tool, effect, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)";
        transaction!(self, tx => {
            alone!(tx, "rules");
            let rules: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM policy_rules")
                .fetch_one(&mut *tx)
                .await
                .map_err(db)?;
            if number(RULES_MAX) <= rules {
                let (what, max) = ("rules about tools", RULES_MAX);
                return Err(StoreError::TooMany { what, max });
            }
            let inserted = sqlx::query(sql)
                .bind(rule.id.to_string())
                .bind(rule.server.map(|it| it.to_string()))
                .bind(rule.tool.as_str().to_owned())
                .bind(rule.effect.as_str())
                .bind(rule.created_by.as_str().to_owned())
                .bind(ms(rule.created_at))
                .execute(&mut *tx)
                .await;
            match inserted {
                Ok(_) => {}
                Err(err) if StoreError::is_missing_parent(&err) => return Ok(false),
                Err(err) => return Err(db(err)),
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }

    /// Returns all rules, in the order in which they were made.
    ///
    /// One that is not understood is an error and not left out: it may forbid something.
    pub async fn rules(&self) -> Result<Vec<PolicyRule>, StoreError> {
        let rows: Vec<Row> = reading!(self, pool => {
            sqlx::query_as("SELECT * FROM policy_rules ORDER BY created_at, id")
                .fetch_all(pool)
                .await
                .map_err(db)?
        });
        rows.into_iter().map(Row::into_rule).collect()
    }

    /// Removes a rule. Returns whether there was one.
    pub async fn remove_rule(&self, id: RuleId, audit: &AuditEvent) -> Result<bool, StoreError> {
        transaction!(self, tx => {
            let removed = sqlx::query("DELETE FROM policy_rules WHERE id = $1")
                .bind(id.to_string())
                .execute(&mut *tx)
                .await
                .map_err(db)?;
            if removed.rows_affected() == 0 {
                return Ok(false);
            }
            insert_audit!(&mut *tx, [audit]);
        });
        Ok(true)
    }
}

row!(Row {
    id: String,
    server_id: Option<String>,
    tool: String,
    effect: String,
    created_by: String,
    created_at: i64,
});

impl Row {
    fn into_rule(self) -> Result<PolicyRule, StoreError> {
        let corrupt = corrupt("rule", &self.id);
        let rule = || -> Result<PolicyRule, Box<dyn std::error::Error + Send + Sync>> {
            Ok(PolicyRule {
                id: self.id.parse()?,
                server: self.server_id.map(|it| it.parse()).transpose()?,
                tool: self.tool.parse()?,
                effect: self.effect.parse()?,
                created_by: self.created_by.parse()?,
                created_at: time(self.created_at),
            })
        };
        rule().map_err(corrupt)
    }
}
