#include "app/config_warnings.hpp"

#include <gtest/gtest.h>

#include <map>

namespace pebbles::app {
namespace {

struct Variable {
  std::string name;
  std::string meant;  ///< empty: known, or somebody else's; "-": ours, but nothing near
  std::string value = "x";
};

class Misspelt : public testing::TestWithParam<Variable> {};

TEST_P(Misspelt, AreWarnedOf) {
  const auto& [name, meant, value] = GetParam();
  const auto found = misspelt_variables({name}, [&](const std::string&) { return std::optional{value}; });
  if (meant.empty()) {
    EXPECT_TRUE(found.empty()) << found.front().what;
    return;
  }
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found.front().setting, name);
  EXPECT_TRUE(found.front().what.contains(meant == "-" ? "no such setting" : meant + " is meant"))
      << found.front().what;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Misspelt,
    testing::Values(Variable{"KAFKA_ENABLE", "KAFKA_ENABLED"}, Variable{"PUBLIC_READ", "PUBLIC_READS"},
                    Variable{"LOGLEVEL", "LOG_LEVEL"}, Variable{"log_level", "LOG_LEVEL"},
                    Variable{"KAKFA_ENABLED", "KAFKA_ENABLED"}, Variable{"JWT_SECRETS", "JWT_SECRET"},
                    Variable{"MONGO_URL", "MONGO_URI"}, Variable{"HOSTS", "HOST"}, Variable{"PROT", ""},
                    Variable{"AWS_REGIO", "AWS_REGION"}, Variable{"AWS_PROFILES", "AWS_PROFILE"},
                    Variable{"JWT_SECRET_FILES", "JWT_SECRET_FILE"}, Variable{"KAFKA_BROKERS", "-"},
                    Variable{"MONGO_HOST", "-"}, Variable{"JWT_KEY", "-"}, Variable{"PEBBLES_PORT", "-"},
                    Variable{"PEBBLES_PORT", "", "tcp://10.0.0.1:8081"}, Variable{"KAFKA_PORT_9092_TCP_ADDR", ""},
                    Variable{"KAFKA_SERVICE_HOST", ""}, Variable{"MONGO_SERVICE_PORT_DB", ""},
                    Variable{"KAFKA_CONF_X_Y", ""}, Variable{"KAFKA_TOPIC", ""}, Variable{"LOG_LEVEL", ""},
                    Variable{"MONGO_URI_FILE", ""}, Variable{"AWS_ENDPOINT_URL_S3", ""},
                    Variable{"AWS_ENDPOINT_URL_SNS", ""}, Variable{"AWS_DEFAULT_REGION", ""},
                    Variable{"HTTP_PROXY", ""}, Variable{"HOME", ""}, Variable{"HOSTNAME", ""}, Variable{"PATH", ""},
                    Variable{"TERM", ""}, Variable{"LOGNAME", ""}, Variable{"PWD", ""}, Variable{"SHLVL", ""}),
    [](const auto& row) { return row.param.name + "_" + std::to_string(row.index); });

TEST(MongoUri, IsDoubtedWhereItMeansSomethingElse) {
  const std::string encode = "percent-encoded";
  const std::map<std::string, std::string> cases{
      {"mongodb://localhost:27017/pebbles", ""},
      {"mongodb://u:p%40ss@h/pebbles?appName=a@b", ""},
      {"mongodb://u@h", ""},
      {"mongodb+srv://u:p$!*-._~ss@h/?authSource=admin", ""},
      {"mongodb://h/?appName=a:b@c", ""},
      {"mongodb://h:27017,[::1]:27018,[::1]/db?appName=a:b@c", ""},
      {"mongodb://u:p@ss@h/pebbles", encode},
      {"mongodb://u:p:ss@h/pebbles", encode},
      {"mongodb://u:p/ss@h/pebbles", encode},
      {"mongodb://u:p?ss@h/pebbles", encode},
      {"mongodb://u:p#ss@h", encode},
      {"mongodb://u:p%ss@h", encode},
      {"mongodb://u:p%4@h", encode},
      {"mongodb://u:p[ss@h", encode},
      {"mongodb://ann@example.com:p@h", encode},
      {"mongodb://u:p@h/admin", "authSource=admin"},
      {"mongodb://h1,h2/admin?replicaSet=a", "authSource=admin"},
      {"mongodb://h/local", "database local"},
      {"mongodb://h/config", "database config"},
      {"mongodb://h/administration", ""},
  };
  for (const auto& [uri, part] : cases) {
    const auto doubts = doubts_about_mongo_uri(uri);
    ASSERT_EQ(doubts.size(), part.empty() ? 0U : 1U) << uri;
    if (!part.empty()) {
      EXPECT_TRUE(doubts.front().contains(part)) << uri << doubts.front();
    }
  }
}

TEST(ConfigWarnings, AreOfWhatIsInForce) {
  Config config;
  config.mongo_uri = "mongodb://h/admin";
  const Environment none = [](const std::string&) { return std::nullopt; };
  const auto found = config_warnings(config, none, {"PUBLIC_READ"});
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].setting, "MONGO_URI");
  config.store = "sqlite:/x";
  EXPECT_EQ(config_warnings(config, none, {"PUBLIC_READ"}).size(), 1U);
}

}  // namespace
}  // namespace pebbles::app
