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

Decision decide_report(const Progress* now, const Report& report, const KeyHit* hit) {
  if (now != nullptr) {
    if (now->owner != report.by) return Rejection::not_the_owner;
    if (report.position && already_folded(*now, *report.position)) return Duplicate{now->version};
    if (hit != nullptr) {
      if (hit->fingerprint != report.key->fingerprint) return Rejection::key_reused;
      return Duplicate{hit->version};
    }
    if (now->completed) return Rejection::already_completed;
    if (overflows(*now, report.what)) return Rejection::counter_overflow;
  }
  return Accepted{ProgressEvent{.version = (now != nullptr ? now->version : 0) + 1,
                                .id = now != nullptr ? std::nullopt : std::optional{report.id_if_new},
                                .at = now != nullptr ? std::max(now->updated_at, report.at) : report.at,
                                .by = report.by,
                                .channel = report.channel,
                                .key = report.key,
                                .position = report.position,
                                .what = report.what}};
}

}  // namespace

std::string_view name_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::not_the_owner: return "not_the_owner";
    case Rejection::key_reused: return "key_reused";
    case Rejection::already_completed: return "already_completed";
    case Rejection::counter_overflow: return "counter_overflow";
  }
  return "unknown";
}

std::string_view detail_of(Rejection rejection) {
  switch (rejection) {
    case Rejection::not_the_owner: return "only the original creator can update this file's progress";
    case Rejection::key_reused: return "this key was used with a different update";
    case Rejection::already_completed: return "this file processing has already been completed";
    case Rejection::counter_overflow: return "a counter would pass 2^53 - 1";
  }
  return "unknown";
}

Decision decide(const Progress* now, const Command& command, const KeyHit* hit) {
  return std::visit([&](const Report& report) { return decide_report(now, report, hit); }, command);
}

}  // namespace pebbles::domain
