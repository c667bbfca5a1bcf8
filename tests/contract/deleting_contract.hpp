#pragma once
#include "contract/store_fixture.hpp"

namespace pebbles::contract {

/// What every store promises of a file that is deleted, of both its ports.
class DeletingContract : public StoreTest {
 protected:
  const store::StreamId file = support::stream_id("krn:acme", "sales.csv");

  /// Nothing that shows knows it.
  void expect_gone(const domain::FileId& id) {
    auto& reader = fixture->reader();
    EXPECT_EQ(reader.at_hand(file), nullptr);
    EXPECT_EQ(reader.by_filename(file).value(), nullptr);
    expect_no(id);
    EXPECT_TRUE(listed().empty());
  }
  void expect_no(const domain::FileId& id) {
    EXPECT_EQ(fixture->reader().at_hand(file.client, id), nullptr);
    EXPECT_EQ(fixture->reader().by_id(file.client, id).value(), nullptr);
  }
  std::vector<store::SnapshotPtr> listed(const std::optional<domain::Email>& owner = {}) {
    auto page = fixture->reader().list(file.client, {.owner = owner, .after = {}, .limit = 10});
    EXPECT_TRUE(page);
    return page ? std::move(page->records) : std::vector<store::SnapshotPtr>{};
  }
  std::optional<domain::KeyHit> hit(std::string_view key) {
    const store::KeyQuery query{.stream = file, .hash = support::key_hash(key)};
    return fixture->store().find_keys(std::span{&query, 1}).value().front();
  }
};

}  // namespace pebbles::contract
