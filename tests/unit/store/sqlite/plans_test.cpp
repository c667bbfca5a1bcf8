#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "store/sqlite/lists.hpp"
#include "store/sqlite/schema.hpp"

namespace pebbles::store::sqlite {
namespace {

class ListPlans : public ::testing::Test {
 protected:
  ListPlans() {
    if (::mkdtemp(folder.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    connection.emplace(open_writer({.path = folder + "/pebbles.db", .vfs = {}}));
  }
  ~ListPlans() override { std::filesystem::remove_all(folder); }

  [[nodiscard]] std::string plan_of(const std::string& sql) const {
    auto statement = connection->prepare("EXPLAIN QUERY PLAN " + sql);
    auto rows = statement.run();
    std::string out;
    while (rows.next()) out.append(rows.text(3)).append("\n");
    return out;
  }

  std::string folder = std::filesystem::temp_directory_path() / "pebbles-plans-XXXXXX";
  std::optional<Connection> connection;
};

/// A list walks an index that has its order, from a place in it: nothing is sorted, and what is not asked for not read.
TEST_F(ListPlans, EveryOrderHasItsIndex) {
  struct Row {
    ListOrder by;
    bool of_owner;
    std::string_view search;
  };
  for (const auto& [by, of_owner, search] :
       {Row{ListOrder::updated, false, "progress_client_updated_idx (client=? AND (updated_at,id)"},
        Row{ListOrder::updated, true, "progress_client_email_updated_idx (client=? AND email=? AND (updated_at,id)"},
        Row{ListOrder::created, false, "progress_client_id_idx (client=? AND id"},
        Row{ListOrder::filename, false, "sqlite_autoindex_streams_1 (client=? AND filename"}})
    for (const bool descending : {false, true}) {
      const auto plan = plan_of(list_sql({.by = by, .descending = descending}, of_owner));
      EXPECT_NE(plan.find(search), plan.npos) << plan;
      EXPECT_EQ(plan.find("SCAN"), plan.npos) << plan;
      EXPECT_EQ(plan.find("TEMP B-TREE"), plan.npos) << plan;
    }
}

}  // namespace
}  // namespace pebbles::store::sqlite
