#include "egress/query/summaries.hpp"

#include <boost/asio/post.hpp>
#include <iterator>

namespace pebbles::query {

http::Task<std::optional<Summaries::Found>> Summaries::ask(std::string client, http::Asker asker) {
  if (const auto* known = kept(client, Steady::now())) co_return *known;
  auto initiate = [this](auto handler, const std::string& asked, const http::Asker& by) {
    auto& waiting = waiting_[asked];
    waiting.emplace_back(std::move(handler));
    if (waiting.size() == 1) begin(asked, by);
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<http::Executor>,
                                                 void(std::optional<Found>)>(initiate, http::use_task,
                                                                             std::move(client), std::move(asker));
}

const Summaries::Summary* Summaries::kept(const std::string& client, Steady::time_point now) {
  const auto found = by_client_.find(client);
  return found != by_client_.end() && now - found->second->read_at < age_max ? &found->second->summary : nullptr;
}

void Summaries::keep(const std::string& client, Steady::time_point began, const Summary& summary) {
  if (const auto older = by_client_.find(client); older != by_client_.end()) {
    kept_.erase(older->second);
    by_client_.erase(older);
  }
  if (summary.files.running + summary.files.completed == 0) return;
  if (kept_.size() == kept_max) {
    by_client_.erase(kept_.front().client);
    kept_.pop_front();
  }
  kept_.push_back({.client = client, .summary = summary, .read_at = began});
  by_client_.emplace(client, std::prev(kept_.end()));
}

void Summaries::begin(const std::string& client, const http::Asker& asker) {
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
  if (!parts_.lists.submit(asker, std::move(job)))
    boost::asio::post(executor_, [this, client, began] { end(client, began, std::nullopt); });
}

void Summaries::end(const std::string& client, Steady::time_point began, std::optional<Found> found) {
  if (found && *found) keep(client, began, **found);
  auto waiting = std::move(waiting_.extract(client).mapped());
  for (auto& resume : waiting) resume(found);
}

}  // namespace pebbles::query
