import { meanPooledArchitecture } from "./architecture.ts"

/** The Python module that defines the class of a head on the mean, as `auto_map` names it: `modeling_hone.py` in the exported folder. */
export const modelingModule = "modeling_hone"

/** Written into folders whose head transformers has no class for. Needs torch and transformers alone, from 4.30 on. */
export const modelingSource = `"""A BERT classifier that reads the mean of the last hidden states.

transformers' BertForSequenceClassification reads the first token through the pooler. Sentence encoders such as MiniLM were trained
on the mean over a row's tokens instead, and so was the classifier in this folder. AutoModelForSequenceClassification finds the
class by the auto_map of config.json when it is called with trust_remote_code=True; it can as well be imported from this file.
"""

import torch
from torch import nn
from transformers import BertModel, BertPreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput


class ${meanPooledArchitecture}(BertPreTrainedModel):
    """BertModel without its pooler; dropout and a linear layer on the mean over the tokens that attention_mask keeps."""

    def __init__(self, config):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config, add_pooling_layer=False)
        dropout = config.classifier_dropout
        self.dropout = nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(
        self,
        input_ids=None,
        attention_mask=None,
        token_type_ids=None,
        position_ids=None,
        inputs_embeds=None,
        labels=None,
        return_dict=None,
        **kwargs,
    ):
        hidden = self.bert(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            inputs_embeds=inputs_embeds,
        )[0]
        if attention_mask is None:
            attention_mask = torch.ones(hidden.shape[:2], device=hidden.device)
        weight = attention_mask.to(hidden.dtype).unsqueeze(-1)
        mean = (hidden * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
        logits = self.classifier(self.dropout(mean))
        loss = None if labels is None else self._loss(logits, labels)
        if return_dict is False:
            return (logits,) if loss is None else (loss, logits)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _loss(self, logits, labels):
        if self.config.problem_type == "regression":
            return nn.functional.mse_loss(logits.squeeze(-1), labels.to(logits.dtype).reshape(logits.squeeze(-1).shape))
        if self.config.problem_type == "multi_label_classification":
            return nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
        return nn.functional.cross_entropy(logits.view(-1, self.num_labels), labels.view(-1))
`
