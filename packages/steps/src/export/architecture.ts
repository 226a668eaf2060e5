/** The class of a classifier that reads the mean of the last hidden states: what `export` writes into config.json and `base` knows again. */
export const meanPooledArchitecture = "BertForMeanPooledSequenceClassification"
