#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "store/event_store.hpp"

/// Log format 1: the canonical bytes of events and the hash that chains chunks. docs/log-format.md is the
/// specification; the golden files in tests/unit/store/golden hold it still.
namespace pebbles::store {

inline constexpr int log_format = 1;

/// Appends one event as one line of canonical JSON, with its line feed.
void append_event(std::string& out, const domain::ProgressEvent& event);

/// The events of a chunk, in order.
[[nodiscard]] std::string encode_events(std::span<const domain::ProgressEvent> events);

/// Reads one line of them, with its line feed. Error: store_corrupt.
[[nodiscard]] Result<domain::ProgressEvent> decode_event(std::string_view line);

/// Cuts the next line off the front of a chunk's text, with its line feed; empty at the end.
[[nodiscard]] std::string_view take_line(std::string_view& text);

/// Reads what `encode_events` wrote. Errors: store_corrupt for anything else, an unknown kind or member included.
[[nodiscard]] Result<std::vector<domain::ProgressEvent>> decode_events(std::string_view text);

/// SHA-256 over the chunk's canonical bytes: a header line that names stream, first version, count, format and
/// predecessor, then `text`.
[[nodiscard]] Digest hash_chunk(const StreamId& stream, Version first, std::size_t events, const ChunkRef& prev,
                                std::string_view text);

/// `{"done":1,"warn":2,"failed":3}`
void append_counts(std::string& out, const domain::Counts& counts);

/// `"line":1,"message":"…"` and what else an item has, without the braces around it.
void append_item_members(std::string& out, const domain::Item& item);

/// The kept errors or warnings of a snapshot, as the JSON array that the API shows, and back.
void append_items(std::string& out, const domain::ItemList& items, std::size_t items_max = SIZE_MAX);
[[nodiscard]] Result<domain::ItemList> decode_items(std::string_view text);

/// One Kafka position as the JSON object that both a log and the API show.
void append_position(std::string& out, const domain::LogPosition& position);

/// A snapshot's Kafka positions as canonical JSON, and back. Empty text for none.
[[nodiscard]] std::string encode_positions(std::span<const domain::LogPosition> positions);
[[nodiscard]] Result<std::vector<domain::LogPosition>> decode_positions(std::string_view text);

}  // namespace pebbles::store
