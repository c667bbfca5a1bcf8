#include "ingress/sqs/in_flight.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pebbles::sqs {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

ReceivedMessage message(const std::string& id, const std::string& receipt) {
  ReceivedMessage out;
  out.id = id;
  out.receipt = receipt;
  return out;
}

std::vector<ReceivedMessage> messages(std::initializer_list<std::pair<std::string, std::string>> all) {
  std::vector<ReceivedMessage> out;
  for (const auto& [id, receipt] : all) out.push_back(message(id, receipt));
  return out;
}

class SqsInFlight : public testing::Test {
 protected:
  void settle(Ticket ticket, ingest::Outcome outcome) {
    std::vector<ingest::Settlement> all;
    all.push_back({.ticket = ticket, .outcome = std::move(outcome)});
    in_flight.settle(std::move(all));
  }

  std::vector<Ticket> stored;
  std::vector<Poisoned> poisoned;
  std::vector<Ticket> dropped;
  InFlight in_flight{
      {.messages_max = 3, .bytes_max = 1UL << 20U},
      {.stored = [this](const auto& some) { stored.insert(stored.end(), some.begin(), some.end()); },
       .poisoned = [this](Poisoned one) { poisoned.push_back(std::move(one)); },
       .dropped = [this](const auto& some) { dropped.insert(dropped.end(), some.begin(), some.end()); }}};
  const InFlight::SteadyTime t0 = std::chrono::steady_clock::now();
};

TEST_F(SqsInFlight, AMessageThatComesAgainMeanwhileIsNotTakenTwice) {
  const auto first = in_flight.add(messages({{"a", "r1"}, {"b", "r2"}}), t0);
  EXPECT_THAT(in_flight.add(messages({{"a", "r3"}}), t0), ElementsAre(0));
  EXPECT_EQ(in_flight.receipt(first[0]), "r3");
  EXPECT_EQ(in_flight.size(), 2);
  in_flight.forget(first);
  EXPECT_EQ(in_flight.size(), 0);
  EXPECT_THAT(in_flight.add(messages({{"a", "r4"}}), t0), ElementsAre(first[1] + 1));
}

TEST_F(SqsInFlight, NoMoreAreHeldThanCanBeHiddenOn) {
  InFlight many{{.messages_max = 600, .bytes_max = 64UL << 20U}, {}};
  const auto add = [&](int from, int to) {
    std::vector<ReceivedMessage> all;
    for (int i = from; i < to; ++i) all.push_back(message(std::to_string(i), "r"));
    (void)many.add(std::move(all), t0);
  };
  many.set_visibility_timeout(std::chrono::seconds{2});
  add(0, 499);
  EXPECT_TRUE(many.has_room());
  add(499, 500);
  EXPECT_FALSE(many.has_room());
  many.set_visibility_timeout(std::chrono::seconds{30});
  EXPECT_TRUE(many.has_room());
  add(500, 600);
  EXPECT_FALSE(many.has_room());
}

TEST_F(SqsInFlight, OutcomesGoWhereTheyAreDealtWith) {
  const auto tickets = in_flight.add(messages({{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}}), t0);
  settle(tickets[0], ingest::Applied{});
  settle(tickets[1], ingest::Replayed{});
  settle(tickets[2], ingest::Refused{.why = domain::Rejection::not_the_owner});
  settle(tickets[3], ingest::Retry{});
  EXPECT_THAT(stored, ElementsAre(tickets[0], tickets[1]));
  ASSERT_THAT(poisoned, SizeIs(1));
  EXPECT_EQ(poisoned.front().ticket, tickets[2]);
  EXPECT_EQ(poisoned.front().reason, "not_the_owner");
  EXPECT_THAT(dropped, ElementsAre(tickets[3]));
  EXPECT_EQ(in_flight.receipt(tickets[3]), std::nullopt);  // forgotten; the others are held until they are dealt with
  EXPECT_EQ(in_flight.size(), 3);
  EXPECT_EQ(in_flight.oldest_open(), std::nullopt);
}

TEST_F(SqsInFlight, TheGateOfOneThatIsNotHeldIsPassed) {
  auto gate = std::make_shared<ingest::Gate>([] {});
  gate->add();
  settle(77, ingest::Refused{.why = domain::Rejection::not_the_owner, .gate = gate});
  EXPECT_TRUE(gate->is_open());
  EXPECT_THAT(poisoned, IsEmpty());
}

TEST_F(SqsInFlight, MessagesAreHiddenOnAtHalfOfTheTimeOut) {
  in_flight.set_visibility_timeout(seconds{4});
  const auto tickets = in_flight.add(messages({{"a", "r1"}}), t0);
  EXPECT_THAT(in_flight.take_due(t0 + milliseconds{1999}), IsEmpty());
  const auto due = in_flight.take_due(t0 + seconds{2});
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due.front().ticket, tickets[0]);
  EXPECT_EQ(due.front().change.receipt, "r1");
  EXPECT_EQ(due.front().change.timeout, seconds{4});
  EXPECT_THAT(in_flight.take_due(t0 + seconds{3}), IsEmpty());
  EXPECT_THAT(in_flight.take_due(t0 + seconds{4}), SizeIs(1));
}

TEST_F(SqsInFlight, AReceiptThatHasExpiredIsNotHiddenUntilItComesAgain) {
  const auto tickets = in_flight.add(messages({{"a", "r1"}}), t0);
  in_flight.give_up_hiding(tickets[0]);
  EXPECT_THAT(in_flight.take_due(t0 + hours{1}), IsEmpty());
  (void)in_flight.add(messages({{"a", "r2"}}), t0 + seconds{40});
  const auto due = in_flight.take_due(t0 + seconds{55});
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due.front().change.receipt, "r2");
}

TEST_F(SqsInFlight, SqsHidesNothingForMoreThanTwelveHours) {
  in_flight.set_visibility_timeout(hours{1});
  (void)in_flight.add(messages({{"a", "r1"}}), t0);
  EXPECT_THAT(in_flight.take_due(t0 + hours{11}), SizeIs(1));
  EXPECT_THAT(in_flight.take_due(t0 + hours{11} + milliseconds{1}), IsEmpty());
  EXPECT_THAT(in_flight.take_due(t0 + hours{12}), IsEmpty());
}

TEST_F(SqsInFlight, ATimeOutThatBecomesKnownCounts) {
  (void)in_flight.add(messages({{"a", "r1"}}), t0);
  in_flight.set_visibility_timeout(seconds{0});  // hidden by the second, the least that can be asked for
  const auto due = in_flight.take_due(t0 + milliseconds{500});
  ASSERT_THAT(due, SizeIs(1));
  EXPECT_EQ(due.front().change.timeout, seconds{1});
}

TEST_F(SqsInFlight, IsBounded) {
  const auto stop = std::make_unique<std::stop_source>();
  const auto tickets = in_flight.add(messages({{"a", "1"}, {"b", "2"}}), t0);
  EXPECT_TRUE(in_flight.wait_for_room(milliseconds{0}, stop->get_token()));
  (void)in_flight.add(messages({{"c", "3"}}), t0);
  EXPECT_FALSE(in_flight.wait_for_room(milliseconds{0}, stop->get_token()));
  in_flight.forget(tickets);
  EXPECT_TRUE(in_flight.wait_for_room(milliseconds{0}, stop->get_token()));
  stop->request_stop();
  EXPECT_FALSE(in_flight.wait_for_room(milliseconds{0}, stop->get_token()));
  EXPECT_FALSE(in_flight.wait_until_empty(milliseconds{0}));
}

}  // namespace
}  // namespace pebbles::sqs
