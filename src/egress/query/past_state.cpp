#include "egress/query/past_state.hpp"

#include <memory>

#include "egress/query/asking.hpp"
#include "egress/query/derived.hpp"
#include "egress/query/etag.hpp"
#include "egress/query/record_json.hpp"

namespace pebbles::query {

using http::Response;
using http::Task;

namespace {

/// What is wanted, and how far it is.
struct Fold {
  domain::ClientKrn client;
  domain::FileId id{};
  Moment moment;
  std::string if_none_match;
  QueryOptions options;
  store::SnapshotPtr file;  ///< as it is now
  store::Snapshot state;    ///< as it was, so far
  std::shared_ptr<const void> permit;

  [[nodiscard]] bool covers(const domain::ProgressEvent& event) const {
    if (const auto* version = std::get_if<store::Version>(&moment)) return event.version <= *version;
    return event.at <= std::get<Timestamp>(moment);
  }
  /// What is there now is what was there then.
  [[nodiscard]] bool covers_all() const {
    const auto& now = file->progress;
    if (const auto* version = std::get_if<store::Version>(&moment)) return now.version == *version;
    return now.updated_at <= std::get<Timestamp>(moment);
  }
};

Response show(const store::Snapshot& state, const Fold& fold) {
  if (state.progress.id != fold.id || !state.progress.exists()) return http::problem(404, unknown_file);
  // What is derived is told as of that moment too.
  const auto* const time = std::get_if<Timestamp>(&fold.moment);
  const auto then = time != nullptr ? *time : state.progress.updated_at;
  const auto stalled_after = fold.options.stalled_after;
  auto out = tagged(fold.if_none_match,
                    tag_of(state, {.items_max = fold.options.items_max, .stalled_before = then - stalled_after}));
  if (out.status == 304) return out;
  out.content_type = http::json_type;
  append_record(out.body, state, derive(state.progress, then, stalled_after), fold.options.items_max);
  return out;
}

/// Goes a page on; the answer when it is there.
std::optional<Response> advance(Fold& fold, store::ProgressReader& reader) {
  if (!fold.file) {
    auto file = reader.by_id(fold.client, fold.id);
    if (!file) return read_failure(file.error());
    if (!*file) return http::problem(404, unknown_file);
    fold.file = *std::move(file);
    fold.state.stream = fold.file->stream;
    if (fold.covers_all()) return show(*fold.file, fold);
    if (const auto* version = std::get_if<store::Version>(&fold.moment);
        version != nullptr && *version > fold.file->progress.version)
      return http::problem(404, unknown_file);
  }
  constexpr store::PageBounds bounds{.events = 4'000, .bytes = 1UL << 20U};
  auto& progress = fold.state.progress;
  const auto page = reader.events(fold.file->stream, progress.version, bounds);
  if (!page) return read_failure(page.error());
  for (const auto& event : page->events) {
    // The log was cut between two pages: a baseline stands for what was folded so far, and for more.
    if (progress.version > 0 && event.version != progress.version + 1) progress = {};
    if (!fold.covers(event)) return show(fold.state, fold);
    progress = evolve(std::move(progress), event);
  }
  if (!page->more) return show(fold.state, fold);
  return std::nullopt;
}

}  // namespace

std::optional<Moment> read_moment(std::string_view text) {
  if (const auto version = read_number(text)) return *version;
  if (const auto time = from_rfc3339(text)) return *time;
  return std::nullopt;
}

Task<Response> PastStates::show(domain::ClientKrn client, domain::FileId id, Moment moment, std::string if_none_match,
                                PastReader reader) {
  auto permit = loop_.streams().take(reader.asker);
  if (!permit) co_return http::try_later("Too many reads of the past at once");
  const auto fold = std::make_shared<Fold>();
  fold->client = std::move(client);
  fold->id = id;
  fold->moment = moment;
  fold->if_none_match = std::move(if_none_match);
  fold->options = parts_.options;
  fold->permit = std::move(permit);
  while (!reader.cancellation->is_cancelled()) {
    auto work = [fold, &store = parts_.reader] { return advance(*fold, store); };
    auto asker = reader.asker;
    auto step = co_await http::run_on(parts_.logs, std::move(asker), std::move(work));
    if (!step) co_return http::try_later("Too many reads at once");
    if (*step) co_return **std::move(step);
  }
  co_return http::try_later("Shutting down, or nobody waits for this answer");
}

}  // namespace pebbles::query
