#include "store/maintenance.hpp"

#include <fmt/core.h>

#include "store/log_format.hpp"

namespace pebbles::store {
namespace {

void add(std::vector<Difference>& differences, const StreamId& stream, std::string what) {
  if (differences.size() < differences_max) differences.push_back({.stream = stream, .what = std::move(what)});
}

}  // namespace

bool VerifyReport::walked(const Snapshot& folded, const std::optional<std::string>& fault,
                          const VerifyOptions& options) {
  auto head_fault = options.kept_heads != nullptr ? options.kept_heads->conclude(folded.stream, folded.progress.version)
                                                  : std::nullopt;
  if (fault) {
    differ(folded.stream, *fault);
    return false;
  }
  if (options.on_proved) options.on_proved(folded);
  if (head_fault) differ(folded.stream, *std::move(head_fault));
  return true;
}

void VerifyReport::finish(const VerifyOptions& options) {
  if (options.kept_heads == nullptr) return;
  for (const auto& stream : options.kept_heads->left())
    differ(stream, "nothing is left of the log whose head was kept");
}

void VerifyReport::differ(const StreamId& stream, std::string what) {
  ++differing;
  add(differences, stream, std::move(what));
}

void RebuildReport::fail(const StreamId& stream, std::string what) {
  ++failed;
  add(failures, stream, std::move(what));
}

std::optional<std::string> fold_proved(Snapshot& state, Chunk& chunk, std::string_view text, std::int64_t events) {
  const auto fault = [&](std::string_view what) { return fmt::format("version {}: {}", chunk.first, what); };
  if (hash_chunk(state.stream, chunk.first, static_cast<std::size_t>(events), chunk.prev, text) != chunk.hash)
    return fault("the chunk's hash does not match its bytes");
  auto decoded = decode_events(text);
  if (!decoded) return fault(decoded.error().detail);
  chunk.events = *std::move(decoded);
  if (chunk.events.empty() || std::cmp_not_equal(chunk.events.size(), events))
    return fault("the chunk's number of events is wrong");
  const auto& front = chunk.events.front();
  if (chunk.first != front.version && !std::holds_alternative<domain::Baseline>(front.what))
    return fault("the chunk's first event has another version");
  if (state.progress.version > 0 || !front.may_begin_log()) {
    if (front.version != state.progress.version + 1) return fault("the chunk does not follow the one before");
    if (chunk.prev != state.head) return fault("the chunk names another predecessor");
  }
  for (const auto& event : chunk.events) {
    if (&event != &front && event.version != state.progress.version + 1) return fault("an event's version is wrong");
    state.progress = evolve(std::move(state.progress), event);
  }
  state.head = head_behind(chunk);
  return std::nullopt;
}

}  // namespace pebbles::store
