#include "support/events.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "crypto/sha256.hpp"
#include "store/log_format.hpp"

namespace pebbles::support {

domain::StreamId stream_id(std::string client, std::string filename) {
  return {.client = domain::ClientKrn{std::move(client)}, .filename = domain::Filename{std::move(filename)}};
}

domain::FileId file_id(std::uint64_t number) {
  domain::FileId id{};
  for (std::size_t i = id.size(); number > 0; number >>= 8U) id[--i] = static_cast<std::uint8_t>(number);
  return id;
}

domain::FileId file_id(const domain::StreamId& stream) {
  const auto digest = crypto::short_sha256({*stream.client, "\n", *stream.filename});
  domain::FileId id{};
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

domain::EventKey event_key(std::string text, std::string_view says) {
  domain::EventKey key;
  key.hash = key_hash(text);
  key.fingerprint = crypto::short_sha256({says});
  key.text = std::move(text);
  return key;
}

domain::ShortDigest key_hash(std::string_view text) { return crypto::short_sha256({text}); }

domain::Report report(const Told& told, const domain::FileId& id_if_new) {
  domain::Report report{.by = domain::Email{told.by},
                        .channel = told.channel,
                        .at = told.at,
                        .what = {.counts = told.counts,
                                 .total = told.total,
                                 .is_last = told.is_last,
                                 .errors = domain::ItemList{told.errors},
                                 .warnings = domain::ItemList{told.warnings}},
                        .key = std::nullopt,
                        .position = told.position,
                        .id_if_new = told.id.value_or(id_if_new)};
  if (told.key) {
    std::string says;
    domain::ProgressEvent event;
    event.what = report.what;
    store::append_event(says, event);
    report.key = event_key(*told.key, says);
  }
  return report;
}

domain::Command command(const Told& told, const domain::StreamId& stream, const domain::Progress& now) {
  if (told.deletes) return domain::Delete{.id = now.id, .at = told.at, .by = domain::Email{told.by}};
  auto id = file_id(stream);
  id.front() = static_cast<std::uint8_t>(id.front() + now.version);
  return report(told, id);
}

store::SnapshotPtr caught_up(const domain::StreamId& stream, const store::Loaded& loaded) {
  if (!loaded.snapshot && loaded.after.empty()) return nullptr;
  auto state =
      loaded.snapshot ? std::make_shared<store::Snapshot>(*loaded.snapshot) : std::make_shared<store::Snapshot>();
  state->stream = stream;
  for (const auto& chunk : loaded.after) {
    if (!follows(chunk, *state)) {
      ADD_FAILURE() << "a gap in the log of " << *stream.filename << " before version " << chunk.first;
      return nullptr;
    }
    for (const auto& event : chunk.events) state->progress = evolve(std::move(state->progress), event);
    state->head = head_behind(chunk);
  }
  return state;
}

store::Append append_to(const domain::StreamId& stream, store::SnapshotPtr before, const std::vector<Told>& updates) {
  static std::atomic<std::uint64_t> sequence{0};
  return append_to(stream, std::move(before), updates, {.writer = 77, .sequence = ++sequence});
}

store::Append append_to(const domain::StreamId& stream, store::SnapshotPtr before, const std::vector<Told>& updates,
                        store::Token token) {
  auto after = before ? std::make_shared<store::Snapshot>(*before) : std::make_shared<store::Snapshot>();
  after->stream = stream;
  store::Append append{.before = before, .chunk = {}, .text = {}, .after = {}};
  append.chunk.token = token;
  append.chunk.prev = after->head;
  append.chunk.first = after->progress.version + 1;
  for (const auto& told : updates) {
    auto decision = decide(after->progress, command(told, stream, after->progress), nullptr);
    auto* accepted = std::get_if<domain::Accepted>(&decision);
    if (accepted == nullptr) {
      ADD_FAILURE() << "a builder's update is not acceptable";
      continue;
    }
    after->progress = evolve(std::move(after->progress), accepted->event);
    append.chunk.events.push_back(std::move(accepted->event));
  }
  append.text = store::encode_events(append.chunk.events);
  append.chunk.hash =
      store::hash_chunk(stream, append.chunk.first, append.chunk.events.size(), append.chunk.prev, append.text);
  after->head = {.first = append.chunk.first, .hash = append.chunk.hash};
  append.after = std::move(after);
  return append;
}

}  // namespace pebbles::support
