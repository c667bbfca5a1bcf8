#pragma once
#include "contract/store_fixture.hpp"

namespace pebbles::contract {

/// What every Pruner promises, and that nothing else sees of it more than it should.
class PrunerContract : public StoreTest {
 protected:
  const store::StreamId file = support::stream_id("krn:acme", "sales.csv");
  const store::Clients everybody;

  Timestamp now() {
    Timestamp out;
    const auto asked = fixture->prune([&](store::Pruner& pruner) -> Result<store::Pruned> {
      PEBBLES_TRY(time, pruner.now());
      out = time;
      return store::Pruned{};
    });
    EXPECT_TRUE(asked);
    return out;
  }
  /// Step after step, until one says that there is no more.
  store::Pruned all_steps(const std::function<Result<store::Pruned>(store::Pruner&)>& step);
  store::Pruned cut_logs(const store::Clients& clients, Timestamp before) {
    return all_steps([&](store::Pruner& pruner) { return pruner.cut_logs(clients, before, false); });
  }
  /// Everything that is there is old; and what that leaves to a later time goes, too.
  store::Pruned cut_all() {
    auto out = cut_logs(everybody, now() + std::chrono::hours{1});
    out += cut_logs(everybody, now() + std::chrono::hours{1});
    expect_clean();
    return out;
  }
  store::Pruned bury(Timestamp tombstones_before = support::t0 - std::chrono::days{1}) {
    const auto step = [&](store::Pruner& pruner) { return pruner.bury(tombstones_before, false); };
    auto out = all_steps(step);
    out += all_steps(step);
    expect_clean();
    return out;
  }
  void expect_clean();
  std::optional<domain::KeyHit> hit(std::string_view key) {
    const store::KeyQuery query{.stream = file, .hash = support::key_hash(key)};
    return fixture->store().find_keys(std::span{&query, 1}).value().front();
  }
  /// Both ports show it so, now and after a restart.
  void expect_stands(const store::SnapshotPtr& state);
};

}  // namespace pebbles::contract
