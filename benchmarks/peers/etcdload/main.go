// etcdload: closed-loop load on an etcd v3 endpoint.
package main

import (
	"context"
	"flag"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/clientv3"
)

func main() {
	eps := flag.String("endpoints", "127.0.0.1:2379", "")
	clients := flag.Int("clients", 64, "concurrent closed-loop clients")
	conns := flag.Int("conns", 8, "gRPC connections")
	secs := flag.Float64("secs", 8, "")
	size := flag.Int("size", 64, "value bytes")
	op := flag.String("op", "put", "put | get (linearizable) | sget (serializable)")
	flag.Parse()
	var cs []*clientv3.Client
	for i := 0; i < *conns; i++ {
		c, err := clientv3.New(clientv3.Config{Endpoints: strings.Split(*eps, ","), DialTimeout: 5 * time.Second})
		if err != nil {
			panic(err)
		}
		cs = append(cs, c)
	}
	val := strings.Repeat("x", *size)
	end := time.Now().Add(time.Duration(*secs * float64(time.Second)))
	var mu sync.Mutex
	var lat []float64
	errs := 0
	var wg sync.WaitGroup
	t0 := time.Now()
	for w := 0; w < *clients; w++ {
		wg.Add(1)
		go func(w int) {
			defer wg.Done()
			c := cs[w%len(cs)]
			var l []float64
			e := 0
			for n := 0; time.Now().Before(end); n++ {
				k := fmt.Sprintf("key-%d-%d", w, n%1000)
				s := time.Now()
				var err error
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				switch *op {
				case "put":
					_, err = c.Put(ctx, k, val)
				case "get":
					_, err = c.Get(ctx, k)
				default:
					_, err = c.Get(ctx, k, clientv3.WithSerializable())
				}
				cancel()
				if err != nil {
					e++
				} else {
					l = append(l, time.Since(s).Seconds()*1e3)
				}
			}
			mu.Lock()
			lat = append(lat, l...)
			errs += e
			mu.Unlock()
		}(w)
	}
	wg.Wait()
	el := time.Since(t0).Seconds()
	sort.Float64s(lat)
	q := func(p float64) float64 { return lat[int(p*float64(len(lat)-1))] }
	fmt.Printf("op=%s clients=%d conns=%d ops/s=%.0f p50=%.2fms p99=%.2fms errs=%d\n", *op, *clients, *conns, float64(len(lat))/el, q(.5), q(.99), errs)
}
