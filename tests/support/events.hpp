#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/decide.hpp"
#include "store/event_store.hpp"
#include "support/fake_clock.hpp"

namespace pebbles::support {

/// What a worker tells; every member has a default that is valid: `report({.counts = {.done = 3}, .key = "p:1"})`.
struct Told {
  std::string by = "ann@example.com";
  domain::Channel channel = domain::Channel::rest;
  Timestamp at = t0;
  domain::Counts counts = {.done = 1};
  std::optional<std::int64_t> total = {};
  bool is_last = false;
  std::vector<domain::Item> errors = {};
  std::vector<domain::Item> warnings = {};
  std::optional<std::string> key = {};
  std::optional<domain::LogPosition> position = {};
  std::optional<domain::FileId> id = {};  ///< if it creates the file; by default made from stream and version
  bool deletes = false;                   ///< the file, and tells nothing else
};

[[nodiscard]] domain::StreamId stream_id(std::string client, std::string filename);
/// The id whose last eight bytes are `number`.
[[nodiscard]] domain::FileId file_id(std::uint64_t number);
[[nodiscard]] domain::FileId file_id(const domain::StreamId& stream);
/// `text` with its hash, and the fingerprint of `says`.
[[nodiscard]] domain::EventKey event_key(std::string text, std::string_view says);
[[nodiscard]] domain::ShortDigest key_hash(std::string_view text);
[[nodiscard]] domain::Report report(const Told& told, const domain::FileId& id_if_new = {});

[[nodiscard]] domain::Command command(const Told& told, const domain::StreamId& stream, const domain::Progress& now);

/// The state that a load tells: the snapshot and the chunks behind it. Null for an unknown stream.
/// Fails the running test at a gap.
[[nodiscard]] store::SnapshotPtr caught_up(const domain::StreamId& stream, const store::Loaded& loaded);

/// One chunk on top of `before`, as a lane would make it. Every update has to be acceptable.
[[nodiscard]] store::Append append_to(const domain::StreamId& stream, store::SnapshotPtr before,
                                      const std::vector<Told>& updates);
/// The same with a token of the caller's choice.
[[nodiscard]] store::Append append_to(const domain::StreamId& stream, store::SnapshotPtr before,
                                      const std::vector<Told>& updates, store::Token token);

}  // namespace pebbles::support
