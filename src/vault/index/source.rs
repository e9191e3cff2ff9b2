//! A term in SQL: what must hold, and where to begin.

use super::sql::Sql;

/// Where to begin.
#[derive(Debug, Clone)]
pub struct Source {
    /// Tables, `item i` among them.
    pub from: Sql,
    /// The same without `item`, where that is enough to count.
    pub probe: Sql,
    /// Which of them.
    pub condition: Sql,
    /// The column that is the order of the item.
    pub ord: &'static str,
    /// Whether it comes in that order.
    pub ordered: bool,
    /// Whether the condition is all that the term asks.
    pub exact: bool,
}

/// A term in SQL.
#[derive(Debug, Clone)]
pub struct Condition {
    /// What must hold.
    pub filter: Sql,
    /// It looks at `shown s`.
    pub shown: bool,
    /// Where to begin.
    pub source: Option<Source>,
    /// Full text: the pattern, where this is one.
    pub pattern: Option<String>,
}

impl Condition {
    /// Without a place to begin.
    pub fn new(filter: Sql) -> Self {
        Self { filter, shown: false, source: None, pattern: None }
    }

    /// Nothing matches.
    pub fn never() -> Self {
        Self::new(Sql::new("0"))
    }

    /// Whether nothing can match.
    pub fn is_never(&self) -> bool {
        self.filter.text == "0"
    }

    /// It looks at `shown s`.
    #[must_use]
    pub fn on_shown(mut self) -> Self {
        self.shown = true;
        self
    }

    /// With a place to begin, if there is one.
    #[must_use]
    pub fn from(mut self, source: Option<Source>) -> Self {
        self.source = source;
        self
    }

    /// With a place to begin.
    #[must_use]
    pub fn by(self, source: Source) -> Self {
        self.from(Some(source))
    }
}

impl Source {
    /// Rows of `item` by one of its indexes.
    pub fn item(index: &str, condition: Sql, ordered: bool) -> Self {
        let from = Sql::new(format!("item i INDEXED BY {index}"));
        Self { probe: from.clone(), from, condition, ord: "i.ord", ordered, exact: true }
    }

    /// Rows of a table with `ord`, in its order.
    pub fn table(table: &str, condition: Sql) -> Self {
        Self {
            from: Sql::new(format!("{table} r CROSS JOIN item i NOT INDEXED ON i.ord = r.ord")),
            probe: Sql::new(format!("{table} r")),
            condition,
            ord: "r.ord",
            ordered: true,
            exact: true,
        }
    }

    /// A select of `ord`, without an order.
    pub fn set(select: &Sql, exact: bool) -> Self {
        let mut probe = Sql::new("(");
        probe.add(select).push(") r");
        let mut from = probe.clone();
        from.push(" CROSS JOIN item i NOT INDEXED ON i.ord = r.ord");
        Self { from, probe, condition: Sql::new("1"), ord: "r.ord", ordered: false, exact }
    }

    /// Full text.
    pub fn words(pattern: &str, exact: bool) -> Self {
        Self {
            from: Sql::new("words CROSS JOIN item i NOT INDEXED ON i.ord = words.rowid"),
            probe: Sql::new("words"),
            condition: Sql::new("words MATCH ?").with(pattern.to_owned()),
            ord: "words.rowid",
            ordered: true,
            exact,
        }
    }

    /// A superset.
    #[must_use]
    pub fn inexact(mut self) -> Self {
        self.exact = false;
        self
    }
}
