#include "egress/query/summaries.hpp"

#include <boost/asio/post.hpp>

namespace pebbles::query {

namespace {

constexpr std::size_t kept_max = 1000;

}  // namespace

http::Task<std::optional<Summaries::Found>> Summaries::ask(std::string client) {
  const auto now = Steady::now();
  if (kept_.size() >= kept_max) purge(now);
  const auto& known = kept_[client];
  if (known.summary && now - known.read_at < age_max) co_return *known.summary;
  auto initiate = [this](auto handler, const std::string& asked) {
    auto& waiting = kept_[asked].waiting;
    waiting.emplace_back(std::move(handler));
    if (waiting.size() == 1) begin(asked);
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<http::Executor>,
                                                 void(std::optional<Found>)>(initiate, http::use_task,
                                                                             std::move(client));
}

void Summaries::begin(const std::string& client) {
  const auto began = Steady::now();
  auto job = [this, client, began] {
    Found found = failure(Errc::internal, "a read ended with an exception");
    try {
      const auto now = parts_.clock.now();
      const auto files = parts_.reader.summary(domain::ClientKrn{client}, now - parts_.options.stalled_after);
      if (files)
        found = Summary{.files = *files, .as_of = now};
      else
        found = std::unexpected{files.error()};
    } catch (const std::exception& surprise) {
      found = failure(Errc::internal, surprise.what());
    }
    boost::asio::post(executor_, [this, client, began, found = std::move(found)] { end(client, began, found); });
  };
  if (!parts_.lists.submit(client, std::move(job)))
    boost::asio::post(executor_, [this, client, began] { end(client, began, std::nullopt); });
}

void Summaries::end(const std::string& client, Steady::time_point began, std::optional<Found> found) {
  auto& kept = kept_.at(client);
  if (found && *found) {
    kept.summary = **found;
    kept.read_at = began;
  }
  for (auto& resume : std::exchange(kept.waiting, {})) resume(found);
}

void Summaries::purge(Steady::time_point now) {
  std::erase_if(kept_, [&](const auto& entry) {
    const auto& kept = entry.second;
    return kept.waiting.empty() && now - kept.read_at >= age_max;
  });
}

}  // namespace pebbles::query
