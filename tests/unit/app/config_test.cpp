#include "app/config.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>

namespace pebbles::app {
namespace {

Environment environment(std::map<std::string, std::string> variables) {
  return [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  };
}

const std::string secret(32, 's');

TEST(Config, HasTheDefaultsOfTheBrief) {
  const auto config = load_config({}, environment({})).value();
  EXPECT_EQ(config.port, 8081);
  EXPECT_EQ(config.store, "mongodb");
  EXPECT_EQ(config.host_or_default(), "0.0.0.0");
  EXPECT_EQ(config.sqlite_path(), std::nullopt);
}

TEST(Config, AFlagWinsOverAVariable) {
  const auto config =
      load_config({{"--port", "9001"}}, environment({{"PORT", "9000"}, {"LOG_LEVEL", "debug"}})).value();
  EXPECT_EQ(config.port, 9001);
  EXPECT_EQ(config.log_level, "debug");
}

TEST(Config, EmbeddedIsAFileInAFolderOnLoopback) {
  const auto config = load_config({{"--embedded", "some/dir"}}, environment({})).value();
  EXPECT_EQ(config.sqlite_path(), "some/dir/pebbles.db");
  EXPECT_EQ(config.host_or_default(), "127.0.0.1");
  EXPECT_EQ(load_config({}, environment({{"PEBBLES_STORE", "sqlite:/x/y.db"}}))->sqlite_path(), "/x/y.db");
}

struct Bad {
  std::string variable;
  std::string value;
};
class BadVariable : public testing::TestWithParam<Bad> {};

TEST_P(BadVariable, IsNamedWithItsValue) {
  const auto config = load_config({}, environment({{GetParam().variable, GetParam().value}}));
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().code, Errc::invalid_argument);
  EXPECT_NE(config.error().detail.find(GetParam().variable), std::string::npos) << config.error().detail;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadVariable,
    testing::Values(Bad{"PORT", "99999"}, Bad{"PORT", "abc"}, Bad{"PORT", "-1"}, Bad{"PORT", "80 "},
                    Bad{"PEBBLES_STORE", "postgres"}, Bad{"PEBBLES_STORE", "sqlite:"}, Bad{"JWT_SECRET", "short"},
                    Bad{"CLIENT_KRN_PATTERN", "("}, Bad{"MAX_ERRORS_IN_RECORD", "101"}, Bad{"LIST_LIMIT", "0"},
                    Bad{"HTTP_THREADS", "0"}, Bad{"SHUTDOWN_TIMEOUT_S", "1.5"}, Bad{"LOG_LEVEL", "loud"},
                    Bad{"LOG_FORMAT", "xml"}, Bad{"JWT_SECRET_FILE", "/nowhere/at/all"},
                    // On, and not told where to read.
                    Bad{"KAFKA_ENABLED", "true"}, Bad{"KAFKA_ENABLED", "banana"}, Bad{"KAFKA_TOPIC_NAME", "no spaces"},
                    Bad{"KAFKA_AUTO_OFFSET_RESET", "newest"}, Bad{"SQS_ENABLED", "Yes"}, Bad{"PUBLIC_READS", "perhaps"},
                    Bad{"JWT_JWKS_URL", "ftp://example.com/keys"}, Bad{"JWT_JWKS_URL", "keys"},
                    Bad{"JWT_JWKS_REFRESH_S", "0"}, Bad{"JWT_ALGORITHMS", "none"},
                    Bad{"JWT_ALGORITHMS", "RS256,,ES256"}, Bad{"JWT_AUDIENCE", ","}, Bad{"JWT_REQUIRE_EXP", "maybe"}));

TEST(Config, ReadsTheRulesForTokens) {
  const auto config = load_config({}, environment({{"JWT_ALGORITHMS", "RS256, ES256"},
                                                   {"JWT_ISSUER", "https://a.example,https://b.example"},
                                                   {"JWT_AUDIENCE", "pebbles"},
                                                   {"JWT_CLIENT_CLAIM", "clients"},
                                                   {"JWT_JWKS_URL", "https://a.example/keys"},
                                                   {"JWT_REQUIRE_EXP", "no"},
                                                   {"PUBLIC_READS", "False"}}))
                          .value();
  EXPECT_EQ(config.jwt_algorithms, (std::vector<std::string>{"RS256", "ES256"}));
  EXPECT_EQ(config.jwt_issuers, (std::vector<std::string>{"https://a.example", "https://b.example"}));
  EXPECT_EQ(config.jwt_audiences, (std::vector<std::string>{"pebbles"}));
  EXPECT_FALSE(config.jwt_require_exp || config.public_reads);
  EXPECT_NE(show_config(config).find("JWT_ALGORITHMS=RS256,ES256\n"), std::string::npos);
  EXPECT_NE(show_config(config).find("PUBLIC_READS=false\n"), std::string::npos);
}

TEST(Config, ReadsKafkasSettings) {
  const std::map<std::string, std::string> variables{{"KAFKA_ENABLED", "true"},
                                                     {"KAFKA_BOOTSTRAP_SERVERS", "a:9092,b:9092"},
                                                     {"KAFKA_TOPIC", "uploads"},
                                                     {"KAFKA_CONF_SECURITY_PROTOCOL", "sasl_ssl"},
                                                     {"KAFKA_CONF_SASL_PASSWORD", "hush"}};
  std::vector<std::string> names;
  for (const auto& [name, value] : variables) names.push_back(name);
  const auto config = load_config({}, environment(variables), names).value();
  EXPECT_TRUE(config.kafka_enabled);
  EXPECT_EQ(config.kafka_topic, "uploads");
  EXPECT_EQ(config.kafka_dead_letter_topic, "uploads.dlq");
  EXPECT_EQ(config.kafka_group, "pebbles-consumer");
  EXPECT_EQ(config.kafka.at("security.protocol"), "sasl_ssl");
  EXPECT_NE(show_config(config).find("KAFKA_CONF_SECURITY_PROTOCOL=sasl_ssl\n"), std::string::npos);
  EXPECT_EQ(show_config(config).find("hush"), std::string::npos);
}

TEST(Config, RefusesWhatKafkaCannotBeRunWith) {
  const auto refused = [](std::map<std::string, std::string> more) {
    more.insert({{"KAFKA_ENABLED", "true"}, {"KAFKA_BOOTSTRAP_SERVERS", "a:9092"}});
    std::vector<std::string> names;
    for (const auto& [name, value] : more) names.push_back(name);
    const auto config = load_config({}, environment(more), names);
    return config ? std::string{} : config.error().detail;
  };
  EXPECT_EQ(refused({}), "");
  EXPECT_NE(refused({{"KAFKA_CONF_NONSENSE", "1"}}).find("KAFKA_CONF_NONSENSE"), std::string::npos);
  EXPECT_NE(refused({{"KAFKA_CONF_GROUP_ID", "x"}}).find("KAFKA_GROUP_ID"), std::string::npos);
  EXPECT_NE(refused({{"KAFKA_CONF_SASL_PASSWORD_FILE", "/nowhere"}}).find("/nowhere"), std::string::npos);
  EXPECT_NE(refused({{"KAFKA_TOPIC", "a"}, {"KAFKA_TOPIC_NAME", "b"}}).find("KAFKA_TOPIC=a"), std::string::npos);
  EXPECT_NE(refused({{"KAFKA_DLQ_TOPIC", "progress-updates"}}).find("KAFKA_DLQ_TOPIC"), std::string::npos);
}

TEST(Config, SqsHasTheDefaultsOfTheBriefAndTheSdksNames) {
  const auto read = [](std::map<std::string, std::string> more) {
    more.insert({{"SQS_ENABLED", "true"}, {"SQS_QUEUE_URL", "http://127.0.0.1:9324/000000000000/q"}});
    return load_config({}, environment(more)).value();
  };
  EXPECT_FALSE(load_config({}, environment({{"SQS_QUEUE_URL", "http://a/q"}}))->sqs_enabled);
  EXPECT_EQ(read({}).aws_region, "us-east-1");
  EXPECT_EQ(read({}).sqs_endpoint, "http://127.0.0.1:9324");
  EXPECT_EQ(read({{"AWS_ENDPOINT_URL", "http://c"}}).sqs_endpoint, "http://c");
  EXPECT_EQ(read({{"AWS_ENDPOINT_URL", "http://c"}, {"SQS_ENDPOINT", "http://b"}}).sqs_endpoint, "http://b");
  EXPECT_EQ(read({{"SQS_ENDPOINT", "http://b"}, {"AWS_ENDPOINT_URL_SQS", "http://a"}}).sqs_endpoint, "http://a");
}

TEST(Config, RefusesWhatSqsCannotBeRunWith) {
  const auto refused = [](std::map<std::string, std::string> more) {
    more.insert({{"SQS_ENABLED", "true"}, {"SQS_QUEUE_URL", "http://a/q"}});
    const auto config = load_config({}, environment(more));
    return config ? std::string{} : config.error().detail;
  };
  EXPECT_EQ(refused({}), "");
  for (const auto& [name, value] :
       {std::pair{"SQS_QUEUE_URL", "q"}, std::pair{"SQS_DLQ_URL", "http://a/q"}, std::pair{"SQS_DLQ_URL", "q"},
        std::pair{"SQS_ENDPOINT", "ftp://a"}, std::pair{"AWS_REGION", "eu west"}, std::pair{"SQS_POLLERS_MAX", "0"}}) {
    std::map<std::string, std::string> more{{name, value}};
    EXPECT_NE(refused(more).find(name), std::string::npos) << name << "=" << value;
  }
}

TEST(Config, NeverShowsASecret) {
  const auto config = load_config({}, environment({{"JWT_SECRET", secret}})).value();
  EXPECT_EQ(config.jwt_secret, secret);
  EXPECT_EQ(show_config(config).find(secret), std::string::npos);
  const auto bad = load_config({{"--jwt-secret", "hunter2"}}, environment({}));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().detail.find("hunter2"), std::string::npos);
}

TEST(Config, ReadsASecretFromAFile) {
  const auto path = testing::TempDir() + "/pebbles-config-test-secret";
  std::ofstream{path} << secret << "\n";
  EXPECT_EQ(load_config({}, environment({{"JWT_SECRET_FILE", path}}))->jwt_secret, secret);
  std::remove(path.c_str());
}

TEST(Config, ChannelsThatAreOffAreNoError) {
  EXPECT_TRUE(
      load_config({}, environment({{"KAFKA_ENABLED", "false"}, {"SQS_ENABLED", "0"}, {"PUBLIC_READS", "true"}})));
}

}  // namespace
}  // namespace pebbles::app
