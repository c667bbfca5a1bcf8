#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "ingress/sqs/handover.hpp"
#include "ingress/sqs/in_flight.hpp"
#include "support/events.hpp"
#include "support/memory_store.hpp"

/// Messages of a FIFO queue on their way through lanes that are nearly always full and a store that is often away.
namespace pebbles::stress {
namespace {

using namespace std::chrono_literals;
using sqs::Arrival;
using sqs::Ticket;

constexpr std::size_t groups = 40;
constexpr std::size_t messages_each = 100;
constexpr std::size_t takers = 4;  // each has groups of its own, as SQS gives a group to one at a time

/// A group has two files; an update names its place in the group, so that what a file kept tells its order.
domain::StreamId stream_of(std::size_t group, std::size_t number) {
  return support::stream_id("krn:a", fmt::format("{}-{}.csv", group, number / 7 % 2));
}

class SqsHandover : public testing::Test {
 protected:
  void TearDown() override {  // lanes settle into what stands here
    handover.stop();
    ingest.stop(10s);
  }

  void take(std::size_t taker) {
    for (std::size_t number = 0; number < messages_each; number += sqs::batch_max)
      for (std::size_t group = taker; group < groups; group += takers) {
        std::vector<sqs::ReceivedMessage> messages(sqs::batch_max);
        for (std::size_t i = 0; i < messages.size(); ++i) messages[i].id = fmt::format("{}/{}", group, number + i);
        const auto tickets = in_flight.add(std::move(messages), std::chrono::steady_clock::now());
        std::vector<Arrival> arrivals;
        for (std::size_t i = 0; i < tickets.size(); ++i) arrivals.push_back(arrival(group, number + i, tickets[i]));
        handover.take(std::move(arrivals), false);
      }
  }

  Arrival arrival(std::size_t group, std::size_t number, Ticket ticket) {
    Arrival out{.ticket = ticket, .group = fmt::format("{}", group), .what = admission::Unusable{}};
    if (number % 31 == 30) return out;  // no update
    auto report = support::report({.by = number % 17 == 16 ? "eve@example.com" : "ann@example.com",
                                   .channel = domain::Channel::sqs,
                                   .errors = {{.line = {}, .message = fmt::format("{:03}", number)}},
                                   .key = fmt::format("s:{}/{}", group, number)},
                                  support::file_id(group * 1000 + number));
    out.what = ingest::Pending{.stream = stream_of(group, number),
                               .command = std::move(report),
                               .ack = {in_flight, ticket},
                               .epoch = std::make_shared<ingest::Epoch>()};
    return out;
  }

  std::vector<std::unique_ptr<store::EventStore>> stores() {
    std::vector<std::unique_ptr<store::EventStore>> out;
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      auto store = std::make_unique<support::MemoryStore>(log, seed);
      store->faults = {.away = 0.02, .not_stored = 0.02, .unknown_landed = 0.01};
      out.push_back(std::move(store));
    }
    return out;
  }

  void done(std::span<const Ticket> tickets) {
    in_flight.forget(tickets);
    handover.finished(tickets);
  }

  support::MemoryLog log;
  std::atomic<int> poisoned = 0;
  ingest::Ingest ingest{stores(), {.queue_updates_max = 16, .batch_updates_max = 8}};
  sqs::InFlight in_flight{{.messages_max = groups * messages_each, .bytes_max = 64UL << 20U},
                          {.stored = [this](const auto& tickets) { done(tickets); },
                           .poisoned =
                               [this](const sqs::Poisoned& one) {
                                 ++poisoned;
                                 if (one.gate) one.gate->pass();
                                 done({&one.ticket, 1});
                               },
                           .dropped = [this](const auto& tickets) { handover.dropped(tickets); }}};
  sqs::Handover handover{ingest, {.is_fifo = true, .refuse = [this](Ticket ticket, const admission::Unusable&) {
                                    in_flight.refuse(ticket, "invalid", "no update");
                                  }}};
};

TEST_F(SqsHandover, KeepsTheOrderOfGroupsThroughFullLanesAndFaults) {
  std::vector<std::thread> threads;
  for (std::size_t taker = 0; taker < takers; ++taker) threads.emplace_back([this, taker] { take(taker); });
  for (auto& thread : threads) thread.join();
  ASSERT_TRUE(in_flight.wait_until_empty(120s)) << in_flight.size() << " messages have no outcome";
  handover.stop();
  ASSERT_TRUE(ingest.stop(10s));

  std::size_t counted = 0;
  log.sweep();
  log.visit([&](const store::StreamId& stream, const support::MemoryLog::Stream& found) {
    const auto& kept = found.snapshot->progress.errors.first;
    std::vector<std::string> order;
    for (const auto& item : kept) order.push_back(item.message);
    EXPECT_TRUE(std::ranges::is_sorted(order)) << *stream.filename << ": " << testing::PrintToString(order);
    counted += order.size();
  });
  EXPECT_EQ(counted + static_cast<std::size_t>(poisoned), groups * messages_each);
  EXPECT_EQ(poisoned, static_cast<int>(groups * (3 + 5)));  // of each hundred, without the one that is both
}

}  // namespace
}  // namespace pebbles::stress
