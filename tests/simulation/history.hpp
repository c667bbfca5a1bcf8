#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "support/memory_store.hpp"

namespace pebbles::simulation {

/// What the checker knows of a log: it reads along, keeps every state, and finds out when the log or a snapshot did
/// what it never may. Independent of the code under test but for `evolve`, `encode_events` and `hash_chunk`.
class History {
 public:
  struct Stream {
    std::vector<domain::Progress> states = {domain::Progress{}};  ///< by version
    std::vector<domain::ProgressEvent> events;
    store::ChunkRef head;
    store::Version snapshot_version = 0;
  };

  explicit History(const support::MemoryLog& log) : log_{log} {}

  /// Reads what is new. Tells what is wrong, if anything.
  [[nodiscard]] std::optional<std::string> read_along();
  /// Reads everything again, and compares the snapshots too: call it when all is healed.
  [[nodiscard]] std::optional<std::string> check_all() const;

  [[nodiscard]] const Stream& of(const store::StreamId& stream) const;
  [[nodiscard]] const std::map<store::StreamId, Stream>& streams() const { return streams_; }

 private:
  static std::optional<std::string> take(Stream& stream, const store::StreamId& id, const support::MemoryLog::Row& row);

  const support::MemoryLog& log_;
  std::map<store::StreamId, Stream> streams_;
};

}  // namespace pebbles::simulation
