/* The client's own limit: sends each line of a file held in memory, with a key and a delivery report each, and ends.
 *
 *   producer BROKERS TOPIC FILE KEY
 *
 * The settings are those of the other contenders. Prints the records that were acknowledged.
 */
#include <librdkafka/rdkafka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

static long acked, failed;

static void reported(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err) failed++;
    else acked++;
}

int main(int count, char **given) {
    if (count != 5) {
        fprintf(stderr, "usage: producer BROKERS TOPIC FILE KEY\n");
        return 2;
    }
    char why[512];
    const char *settings[][2] = {
        {"bootstrap.servers", given[1]},
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"compression.codec", "snappy"},
        {"linger.ms", "50"},
        {"queue.buffering.max.messages", "1000000"},
        {"queue.buffering.max.kbytes", "262144"},
        {"batch.num.messages", "10000"},
        {"batch.size", "1000000"},
        {"partitioner", "murmur2_random"},
    };
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why, sizeof why) != RD_KAFKA_CONF_OK) {
            fprintf(stderr, "%s\n", why);
            return 1;
        }
    rd_kafka_conf_set_dr_msg_cb(conf, reported);

    int fd = open(given[3], O_RDONLY);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat)) {
        perror(given[3]);
        return 1;
    }
    char *data = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    if (!client) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, given[2], NULL);
    size_t key = strlen(given[4]);
    long sent = 0;
    for (char *line = data, *end = data + stat.st_size, *stop; line < end; line = stop + 1) {
        stop = memchr(line, '\n', end - line);
        if (!stop) break;
        while (rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY, line, stop - line, given[4], key, NULL))
            rd_kafka_poll(client, 10); /* its queue is full */
        if (++sent % 1000 == 0) rd_kafka_poll(client, 0);
    }
    while (rd_kafka_outq_len(client)) rd_kafka_poll(client, 100);
    printf("%ld\n", acked);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    return failed || acked != sent;
}
