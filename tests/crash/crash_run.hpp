#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace pebbles::crash {

/// What goes wrong beside the power cut; each is a control that the checks have to notice.
struct Broken {
  bool not_durable = false;           ///< the store does not sync at all
  std::string syncs_ignored_of = {};  ///< the disk lies about syncs of files whose name ends so
};

/// How much a run has seen; a run that never comes somewhere proves nothing about it.
struct Seen {
  int cuts = 0;
  int cuts_while_opening = 0;
  int cuts_with_updates_in_flight = 0;
  int in_flight_kept = 0;  ///< updates that nobody was told of, and that were stored
  int in_flight_lost = 0;
  int acknowledged = 0;
  int failed_writes = 0;
  int replayed = 0;  ///< retries that found their update counted
  void add(const Seen& other);
};

struct RunReport {
  std::optional<std::string> failure;
  Seen seen;
};

/// Some lives of one store, each ended by a power cut at some call, each begun with what the last one left. After each
/// cut everything acknowledged is there once, what was in flight once or not at all, commit by commit.
[[nodiscard]] RunReport run(std::uint64_t seed, const Broken& broken = {});

}  // namespace pebbles::crash
