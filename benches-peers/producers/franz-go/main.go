// Produces with franz-go, as compare.py asks: a line of JSON on standard output tells the time and latencies.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	bufferBytes = 32 << 20 // Java's buffer.memory
	linger      = 5 * time.Millisecond
	warmUp      = time.Second // latencies of a run at a fixed rate count from then on
)

func main() {
	servers := flag.String("servers", "", "host:port")
	topic := flag.String("topic", "", "topic")
	records := flag.Int("records", 0, "how many")
	size := flag.Int("bytes", 0, "of a value")
	keys := flag.Int("keys", 0, "different keys, 0 for none")
	codec := flag.String("codec", "none", "none or lz4")
	batch := flag.Int("batch", 0, "bytes of a batch at most")
	rate := flag.Int("rate", 0, "records a second, 0 for as fast as possible")
	flag.Parse()

	compression := kgo.NoCompression()
	if *codec == "lz4" {
		compression = kgo.Lz4Compression()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(*servers),
		kgo.ProducerLinger(linger),
		kgo.ProducerBatchMaxBytes(int32(*batch)),
		kgo.ProducerBatchCompression(compression),
		// Bounded by bytes alone, as the others are.
		kgo.MaxBufferedRecords(1<<30),
		kgo.MaxBufferedBytes(bufferBytes),
	)
	if err != nil {
		log.Fatal(err)
	}

	value := payload(*size)
	names := make([][]byte, *keys)
	for i := range names {
		names[i] = fmt.Appendf(nil, "key-%08d", i)
	}
	var delivered atomic.Int64
	var lock sync.Mutex
	latencies := make([]time.Duration, 0)
	started := time.Now()
	for i := range *records {
		record := &kgo.Record{Topic: *topic, Value: value}
		if *keys > 0 {
			record.Key = names[i%*keys]
		}
		if *rate == 0 {
			client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
				if err == nil {
					delivered.Add(1)
				}
			})
			continue
		}
		due := started.Add(time.Duration(i) * time.Second / time.Duration(*rate))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(max(wait, time.Millisecond))
		}
		sent := time.Now()
		client.Produce(context.Background(), record, func(_ *kgo.Record, err error) {
			if err == nil {
				delivered.Add(1)
				if sent.Sub(started) >= warmUp {
					lock.Lock()
					latencies = append(latencies, time.Since(sent))
					lock.Unlock()
				}
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		log.Fatal(err)
	}
	elapsed := time.Since(started)
	client.Close()

	slices.Sort(latencies)
	result := map[string]any{"records": delivered.Load(), "elapsed_s": elapsed.Seconds()}
	if n := len(latencies); n > 0 {
		result["p50_ms"] = float64(latencies[n/2].Microseconds()) / 1e3
		result["p99_ms"] = float64(latencies[n*99/100].Microseconds()) / 1e3
	}
	if err := json.NewEncoder(os.Stdout).Encode(result); err != nil {
		log.Fatal(err)
	}
}

// payload makes the same letters as the other clients.
func payload(size int) []byte {
	value := make([]byte, size)
	for i := range value {
		value[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(i*7+i/26)%26]
	}
	return value
}
