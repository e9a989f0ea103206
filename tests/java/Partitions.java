import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

/**
 * Prints, for each key of a file (one a line, in hexadecimal), the partitions that Java's producer chooses among the
 * numbers of partitions that follow, separated by tabs.
 */
public class Partitions {
    public static void main(String[] arguments) throws Exception {
        try (PrintStream out = new PrintStream(System.out, false)) {
            for (String line : Files.readAllLines(Path.of(arguments[0]))) {
                byte[] key = HexFormat.of().parseHex(line);
                StringBuilder partitions = new StringBuilder();
                for (int i = 1; i < arguments.length; i++) {
                    int count = Integer.parseInt(arguments[i]);
                    partitions.append(i == 1 ? "" : "\t").append(BuiltInPartitioner.partitionForKey(key, count));
                }
                out.append(partitions).append('\n');
            }
        }
    }
}
