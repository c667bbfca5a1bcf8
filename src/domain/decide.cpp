#include "domain/decide.hpp"

#include <algorithm>

namespace pebbles::domain {
namespace {

bool overflows(std::int64_t sum, std::int64_t delta) { return delta > count_max - sum; }

bool overflows(const Progress& now, const Reported& what) {
  return overflows(now.counts.done, what.counts.done) || overflows(now.counts.warn, what.counts.warn) ||
         overflows(now.counts.failed, what.counts.failed);
}

/// A partition is read in order, so an offset at or below the remembered one was folded in before.
bool already_folded(const Progress& now, const LogPosition& position) {
  return std::ranges::any_of(now.positions, [&](const LogPosition& known) {
    return known.same_partition(position) && position.offset <= known.offset;
  });
}

/// Whether it was counted in a life of the file that is over: a fresh upload under its name must not count it again.
bool is_of_earlier_life(const Progress& now, const Report& report, const KeyHit* hit) {
  if (hit != nullptr && hit->fingerprint == report.key->fingerprint && (!now.exists() || hit->version < now.born))
    return true;
  // Positions do not tell lives apart. That of a report from somebody else than the owner was read before, so it was
  // either counted in an earlier life, or refused, and then its dead letter is durable (invariant 11).
  const bool had_another_life = now.exists() ? now.born > 1 && now.owner != report.by : now.version > 0;
  return had_another_life && report.position && already_folded(now, *report.position);
}

Decision decide_report(const Progress& now, const Report& report, const KeyHit* hit) {
  if (is_of_earlier_life(now, report, hit)) return Duplicate{now.version};
  if (now.exists()) {
    if (now.owner != report.by) return Rejection::not_the_owner;
    if (report.position && already_folded(now, *report.position)) return Duplicate{now.version};
  }
  if (hit != nullptr) {
    if (hit->fingerprint != report.key->fingerprint) return Rejection::key_reused;
    return Duplicate{hit->version};
  }
  if (report.only_if && !report.only_if->holds(now)) return Rejection::precondition_failed;
  if (now.completed) return Rejection::already_completed;
  if (overflows(now, report.what)) return Rejection::counter_overflow;
  return Accepted{ProgressEvent{.version = now.version + 1,
                                .id = now.exists() ? std::nullopt : std::optional{report.id_if_new},
                                .at = now.version > 0 ? std::max(now.updated_at, report.at) : report.at,
                                .by = report.by,
                                .channel = report.channel,
                                .key = report.key,
                                .position = report.position,
                                .what = report.what}};
}

Decision decide_delete(const Progress& now, const Delete& wanted) {
  if (!now.exists() || now.id != wanted.id) return Rejection::no_such_file;
  if (!wanted.by->empty() && now.owner != wanted.by) return Rejection::not_the_owner;
  if (wanted.completed_before && (!now.completed_at || *now.completed_at >= *wanted.completed_before))
    return Rejection::no_such_file;
  if (wanted.only_if && !wanted.only_if->holds(now)) return Rejection::precondition_failed;
  return Accepted{ProgressEvent{.version = now.version + 1,
                                .id = now.id,
                                .at = std::max(now.updated_at, wanted.at),
                                .by = wanted.by,
                                .channel = Channel::rest,
                                .key = std::nullopt,
                                .position = std::nullopt,
                                .what = Deleted{now.positions}}};
}

}  // namespace

std::string_view name_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::not_the_owner: return "not_the_owner";
    case Rejection::key_reused: return "key_reused";
    case Rejection::precondition_failed: return "precondition_failed";
    case Rejection::already_completed: return "already_completed";
    case Rejection::counter_overflow: return "counter_overflow";
    case Rejection::no_such_file: return "no_such_file";
  }
  return "unknown";
}

std::string_view detail_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::not_the_owner: return "only the original creator can update this file's progress";
    case Rejection::key_reused: return "this key was used with a different update";
    case Rejection::precondition_failed: return "the file is not in the state that the request asks for";
    case Rejection::already_completed: return "this file processing has already been completed";
    case Rejection::counter_overflow: return "a counter would pass 2^53 - 1";
    case Rejection::no_such_file: return "there is no such file";
  }
  return "unknown";
}

Decision decide(const Progress& now, const Command& command, const KeyHit* hit) {
  struct Judge {
    const Progress& now;
    const KeyHit* hit;
    Decision operator()(const Report& report) const { return decide_report(now, report, hit); }
    Decision operator()(const Delete& wanted) const { return decide_delete(now, wanted); }
  };
  return std::visit(Judge{now, hit}, command);
}

}  // namespace pebbles::domain
