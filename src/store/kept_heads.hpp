#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.hpp"
#include "store/event_store.hpp"

namespace pebbles::store {

/// Heads of streams that were kept elsewhere. Chunks are chained by hashes that anybody can compute: whoever may write
/// to the store can rewrite a log from some chunk on. One hash of the chain that he cannot reach shows it, for itself
/// and all before it. Threads: one.
class KeptHeads {
 public:
  /// Lines as `append_head` writes them. Error: invalid_argument, with the line's number.
  [[nodiscard]] static Result<KeptHeads> parse(std::string_view lines);

  /// A chunk of a stream, its hash proved and its events decoded; in order.
  void saw(const StreamId& stream, const Chunk& chunk);

  /// What is wrong with the stream, once all of it was seen. `version` is where its log ends.
  [[nodiscard]] std::optional<std::string> conclude(const StreamId& stream, Version version);

  /// Streams of which nothing was seen.
  [[nodiscard]] std::vector<StreamId> left() const;

  /// Heads that could not be looked for, because the log was cut behind them.
  [[nodiscard]] std::int64_t cut() const { return cut_; }

 private:
  enum class Found : std::uint8_t { nothing, same, other, cut };
  struct Head {
    Version version = 0;
    ChunkRef chunk;
    Found found = Found::nothing;
  };
  std::unordered_map<StreamId, Head> heads_;
  std::int64_t cut_ = 0;
};

/// One line of JSON, with its line feed: client, filename, version, and the last chunk's first version and hash.
void append_head(std::string& out, const Snapshot& state);

}  // namespace pebbles::store
