//! The table: one line a row, who is fastest, and how we stand against them.

use crate::measure::{House, Row};

/// What a table is about.
pub struct Subject {
    /// What `cargo xtask bench` calls it.
    pub chore: &'static str,
    ours: &'static str,
    /// What is counted.
    each: &'static str,
}

pub const CODEC: Subject = Subject { chore: "codec", ours: "mqtt-codec", each: "packet" };
pub const SESSION: Subject = Subject { chore: "session", ours: "mqtt-session", each: "message" };

/// The lines above all rows.
pub fn head(subject: &Subject, count: bool) -> String {
    let Subject { chore, ours, each } = subject;
    let unit = if count { "instructions" } else { "nanoseconds, medians of interleaved rounds" };
    let head = format!(
        "<!-- cargo xtask bench {chore}{}; {unit} a {each} -->\n\n\
         | what | {ours} | fastest peer | ratio, goal | floor | ratio, goal | memcpy | all peers |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
        if count { " --count" } else { "" }
    );
    print!("{head}");
    head
}

/// One row.
pub fn row(row: &Row, figures: &[f64]) -> String {
    let of = |house: House| {
        let candidates =
            row.candidates.iter().zip(figures).filter(move |(candidate, _)| candidate.house == house);
        candidates.map(|(candidate, figure)| (candidate.name, *figure)).collect::<Vec<_>>()
    };
    let least = |house| of(house).into_iter().min_by(|one, other| one.1.total_cmp(&other.1));
    let ours = least(House::Ours).map_or(f64::NAN, |(_, figure)| figure);
    let against = |other: Option<(&str, f64)>, goal: Option<f64>| match (other, goal) {
        (Some((_, other)), Some(goal)) => {
            let ratio = ours / other;
            format!("{ratio:.2} ≤ {goal}{}", if ratio <= goal { "" } else { " **no**" })
        }
        _ => String::new(),
    };
    let figure =
        |found: Option<(&str, f64)>| found.map_or(String::new(), |(_, figure)| format!("{figure:.1}"));
    let peer = least(House::Peer);
    let floor = least(House::Floor);
    let mut peers = of(House::Peer);
    peers.sort_by(|one, other| one.1.total_cmp(&other.1));
    let mut peers: Vec<String> = peers.iter().map(|(name, figure)| format!("{name} {figure:.1}")).collect();
    let beside = of(House::Beside).into_iter();
    peers.extend(beside.map(|(name, figure)| format!("beside: {name} {figure:.1} ({:.2})", ours / figure)));
    format!(
        "| {} | {ours:.1} | {} {} | {} | {} | {} | {} | {} |",
        row.name,
        peer.map_or("", |(name, _)| name),
        figure(peer),
        against(peer, Some(row.goal.0)),
        figure(floor),
        against(floor, row.goal.1),
        figure(least(House::Copy)),
        peers.join(", "),
    )
}
