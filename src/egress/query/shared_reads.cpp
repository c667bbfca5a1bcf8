#include "egress/query/shared_reads.hpp"

#include <boost/asio/post.hpp>

namespace pebbles::query {

using http::Task;

Task<std::optional<SharedReads::Found>> SharedReads::ask(Question question) {
  auto initiate = [this](auto handler, Question asked) {
    const auto [flight, is_first] = flights_.try_emplace(asked.record);
    flight->second.waiting.emplace_back(std::move(handler));
    if (!is_first) return;
    flight->second.question = std::move(asked);
    begin(flight->first);
  };
  co_return co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<http::Executor>,
                                                 void(std::optional<Found>)>(initiate, http::use_task,
                                                                             std::move(question));
}

void SharedReads::begin(const std::string& record) {
  auto& flight = flights_.at(record);
  auto waiting = std::make_shared<Waiting>(std::exchange(flight.waiting, {}));
  auto job = [this, record, waiting, read = flight.question.read] {
    Found found = failure(Errc::internal, "a read ended with an exception");
    try {
      found = read();
    } catch (const std::exception& surprise) {
      found = failure(Errc::internal, surprise.what());
    }
    boost::asio::post(executor_, [this, record, waiting, found = std::move(found)]() mutable {
      end(record, *waiting, std::move(found));
    });
  };
  if (!pool_.submit(flight.question.asker, std::move(job)))
    boost::asio::post(executor_, [this, record, waiting] { end(record, *waiting, std::nullopt); });
}

void SharedReads::end(const std::string& record, Waiting& waiting, std::optional<Found> found) {
  const auto flight = flights_.find(record);
  if (flight->second.waiting.empty())
    flights_.erase(flight);
  else
    begin(record);
  for (auto& resume : waiting) resume(found);
}

}  // namespace pebbles::query
